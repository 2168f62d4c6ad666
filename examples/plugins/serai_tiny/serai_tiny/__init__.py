"""A scheduler for Serai in one file."""
