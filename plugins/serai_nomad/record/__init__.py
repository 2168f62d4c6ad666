"""Reads what replicas leave behind: logs and statistics."""
