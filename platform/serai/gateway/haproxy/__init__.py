"""The engine that has HAProxy carry requests, steered by this process."""
