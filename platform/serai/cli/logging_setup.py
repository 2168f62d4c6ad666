"""How the long-running processes write their logs: one line on stderr, time and process first."""

from __future__ import annotations

import logging
import sys


def start_logging(process: str, level: str) -> None:
    """Send log records from `level` on to stderr."""
    logging.basicConfig(
        stream=sys.stderr,
        level=level.upper(),
        format=f"%(asctime)s {process:<7} %(levelname)-7s %(message)s",
        datefmt="%H:%M:%S",
    )
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    logging.getLogger("waitress").setLevel(logging.WARNING)
    # At `debug` peewee writes every query with its values, among them the secrets of deployments.
    logging.getLogger("peewee").setLevel(logging.INFO)
