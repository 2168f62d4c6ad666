"""The plugin `dev`."""
