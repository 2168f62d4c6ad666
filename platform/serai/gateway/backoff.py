"""How long to wait before trying again. Pure, but for the given chance."""

from __future__ import annotations

_FIRST_S = 0.1
_LONGEST_S = 3.0


def derive_pause(failures: int, chance: float) -> float:
    """Return seconds after the n-th failure in a row: 0.1 doubled up to 3, of which `chance` (0 to 1) takes a half.

    The longest is short, because a revoked key is honoured until the server is asked again.
    """
    longest_s = min(_LONGEST_S, _FIRST_S * 2.0 ** min(failures - 1, 10))
    return longest_s * (0.5 + 0.5 * chance)
