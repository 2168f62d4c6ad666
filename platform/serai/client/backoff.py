"""How long to wait between tries: doubling pauses with jitter, within a budget of patience."""

from __future__ import annotations

import random
from collections.abc import Iterator

FIRST_S = 0.1
LONGEST_S = 2.0


def make_pauses(patience_s: float) -> Iterator[float]:
    """Yield pauses in seconds that add up to about `patience_s`; none for a patience of 0.

    Each is 0.1 s doubled up to 2 s, times 0.5 to 1.5, so that many clients do not come back in step.
    """
    pause_s, spent_s = FIRST_S, 0.0
    while spent_s < patience_s:
        step_s = pause_s * random.uniform(0.5, 1.5)  # noqa: S311 - jitter, no secret
        spent_s += step_s
        yield step_s
        pause_s = min(pause_s * 2, LONGEST_S)
