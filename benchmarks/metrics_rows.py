"""Rows of the tables that tell what stored figures cost."""

from __future__ import annotations

import time
from collections.abc import Callable

Row = dict[str, object]


def make_row(what: str, value: float, limit: float | str = "", unit: str = "ms") -> Row:
    return {"what": what, "value": float(value), "unit": unit, "limit": limit}


def time_of(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began
