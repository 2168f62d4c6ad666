"""Speaks HTTP to Nomad: calls, errors, addresses, certificates, the event stream."""
