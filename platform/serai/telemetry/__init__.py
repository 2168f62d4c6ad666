"""Figures of requests: folded into windows at gateways, taken once by the server, passed on to sinks."""
