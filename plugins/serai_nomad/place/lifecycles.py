"""What tasks of one group need at once: those that run before or after the others take turns with them."""

from __future__ import annotations

from collections.abc import Iterable

from serai_nomad.facts import Json


def needed_at_once(figures: Iterable[tuple[int, Json | None]]) -> int:
    """Return the most that tasks need at a time, of their figures and lifecycles (None: runs all the time)."""
    before = main = after = 0
    for figure, lifecycle in figures:
        hook, is_sidecar = (lifecycle or {}).get("Hook"), bool((lifecycle or {}).get("Sidecar"))
        if hook == "poststop":
            after += figure
        elif hook == "prestart":
            before += figure
            main += figure if is_sidecar else 0
        else:
            main += figure
    return max(before, main, after)
