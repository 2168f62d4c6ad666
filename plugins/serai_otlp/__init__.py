"""Figures, lines and sampled requests to whoever speaks OTLP: a collector, or a back end itself."""
