"""Small pure parts: instants, pages, positions in logs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.domain.errors import Invalid, NotFound
from serai.web.instants import EPOCH, parse_when
from serai.web.log_position import decode_position, encode_position
from serai.web.paging import make_link, make_page

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("5m", NOW - timedelta(minutes=5)),
        ("2026-01-31T12:00:00Z", NOW),
        ("2026-01-31T13:00:00.5+01:00", NOW + timedelta(seconds=0.5)),
        ("0001-01-01T00:00:00+23:00", EPOCH),
        ("999d", NOW - timedelta(days=999)),
    ],
)
def test_instants(text: str, instant: datetime) -> None:
    assert parse_when(text, NOW, "since") == instant


@pytest.mark.parametrize("text", ["soon", "2026-02-30T00:00:00Z", "9999-12-31T23:59:59-23:59", "T"])
def test_what_is_no_instant(text: str) -> None:
    with pytest.raises(Invalid, match="since"):
        parse_when(text, NOW, "since")


@given(st.dictionaries(st.text(), st.text(), max_size=20))
def test_a_position_comes_back(cursors: dict[str, str]) -> None:
    text = encode_position(cursors)
    assert decode_position(text) == cursors
    assert text.replace("-", "").replace("_", "").isalnum()


@given(st.text(alphabet="abcdefXYZ0189-_", max_size=60))
def test_any_other_text_is_no_position(text: str) -> None:
    with pytest.raises(NotFound):
        decode_position(text)


@given(st.lists(st.text("abc", min_size=1), unique=True).map(sorted), st.integers(1, 4))
def test_pages_hold_everything_once(names: list[str], limit: int) -> None:
    found: list[str] = []
    after = None
    while True:
        page, after = make_page(names, str, limit, after)
        found += page
        if after is None:
            break
        assert len(page) == limit
    assert found == names


def test_links() -> None:
    assert make_link("/x", {"limit": 2}, "b c") == {"Link": '</x?limit=2&after=b+c>; rel="next"'}
    assert make_link("/x", {}, None) == {}
