"""Runs versions as Nomad jobs: rendering, translation of what Nomad says, and the verbs in between."""
