"""Serai deploys models on HashiCorp Nomad, or on one machine, and tells the truth about them."""

__version__ = "0.1.0"
