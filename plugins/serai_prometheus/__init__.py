"""Figures of requests, replicas and versions for Prometheus."""
