"""Wait for something to become true without sleeping longer than needed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
# A check is often a call to a server: ten seconds of calls without a pause would slow down what is waited for.
SLOWEST_S = 0.06


def eventually(check: Callable[[], T], timeout_s: float = 10.0, every_s: float = 0.02) -> T:
    """Return the first true result of `check`, made at first each `every_s`; fail with its last result or error."""
    deadline = time.monotonic() + timeout_s
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = check()
        except AssertionError as error:
            last = error
        else:
            if last:
                return last
        time.sleep(every_s)
        every_s = max(every_s, min(1.1 * every_s, SLOWEST_S))
    raise AssertionError(f"not true within {timeout_s} s; last: {last!r}")
