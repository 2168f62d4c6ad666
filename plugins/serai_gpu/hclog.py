"""Log lines as Nomad reads them from a plugin's stderr: one JSON object a line, so that its log keeps their level."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from . import NAME

_LEVELS = {"WARNING": "warn", "CRITICAL": "error"}


class HclogFormatter(logging.Formatter):
    """Formats records as hclog does."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + self.formatException(record.exc_info)
        values = {
            "@level": _LEVELS.get(record.levelname, record.levelname.lower()),
            "@message": message,
            "@module": NAME,
            "@timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
        }
        return json.dumps(values)


def start_logging() -> None:
    """Send this process's log to stderr, one line of JSON a record."""
    stream = logging.StreamHandler()
    stream.setFormatter(HclogFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[stream])
