"""Parts of long lists, with a link to the next part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlencode

T = TypeVar("T")


def make_page(items: Sequence[T], key: Callable[[T], str], limit: int, after: str | None) -> tuple[list[T], str | None]:
    """Return at most `limit` of `items`, which are in the order of `key`, and the key to go on after, if any."""
    rest = [item for item in items if after is None or key(item) > after]
    page = rest[:limit]
    return page, key(page[-1]) if len(rest) > limit else None


def make_link(path: str, query: Mapping[str, object], after: str | None) -> dict[str, str]:
    """Return the header Link that leads to what comes after `after`; none at the end."""
    if after is None:
        return {}
    return {"Link": f'<{path}?{urlencode(dict(query) | {"after": after})}>; rel="next"'}
