"""Translates what Nomad says of a job into an observation. Pure."""
