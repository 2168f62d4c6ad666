"""Knows how our jobs are: reads what has moved, asks for checks, listens to events."""
