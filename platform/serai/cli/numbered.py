"""Things that have a number and a name, such as keys and tokens: find the one that is meant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from serai.domain.errors import Conflict, NotFound


def find_number(text: str, what: str, load: Callable[[], Sequence[dict[str, Any]]]) -> int:
    """Return the number that `text` is or, else, that of the one thing of this name; `what` is a word like `key`."""
    if text.isascii() and text.isdecimal():
        return int(text)
    found = [item["id"] for item in load() if item["name"] == text]
    if not found:
        raise NotFound(
            f"there is no {what} named {text!r}; `serai {what}s ls` lists those there are", f"{what}-not-found"
        )
    if len(found) > 1:
        numbers = ", ".join(map(str, found))
        raise Conflict(f"there are {len(found)} {what}s named {text!r}: give the number of one of them ({numbers})")
    return int(found[0])
