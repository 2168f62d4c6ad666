"""Lines of HAProxy that are counted together give the same figures as one by one."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from serai.domain.window import Window
from serai.gateway.haproxy.ledger import Ledger
from serai.gateway.haproxy.piles import heap_up
from serai.gateway.haproxy.reader import Records
from serai.gateway.haproxy.records import parse_line
from serai.gateway.journal import Journal
from serai.gateway.segment import load_window, parse_window_id

_T0 = 1_800_000_000_000_000
_TRACE = b"0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"

times = some.integers(0, 90_000_000)
firsts = some.one_of(some.just(b"-"), times.map(b"%d".__mod__))
ways = some.sampled_from(
    [
        b"m/p0/1.r1/200/--",
        b"m/p0/1.r2/200/--",
        b"m/p0/1.r1/502/SH",
        b"m/p0/2.r1/200/CD",
        b"n/p1/1.r9/503/SC",
        b"m/handed/handed/200/--",
        b"m/handed/handed/503/SC",
        b"m/handed/handed/502/SH",
        b"-/handed/handed/200/--",
    ]
)
lines = some.lists(
    some.builds(
        lambda at, total, first, wait, way, sizes, key: (
            b"%d %d %b %d %b %b/- %b %b/42" % (_T0 + at, total, first, wait, sizes, _TRACE, key, way)
        ),
        some.integers(0, 30_000_000),
        times,
        firsts,
        some.sampled_from([0, 0, 0, 3, -1]),
        ways,
        some.sampled_from([b"100 - 300 200", b"700 200 212 200", b"0 0 99 -", b"180 200 7000000000 200"]),
        some.sampled_from([b"-", b"k1", b"k2"]),
    ),
    max_size=30,
)


def make_windows(
    folder: Path, count: Callable[[Journal, Sequence[bytes]], None], found: Sequence[bytes]
) -> list[Window]:
    folder.mkdir()
    journal = Journal(folder, "g.1", 10.0, lambda: 0.0)
    count(journal, found)
    segments = journal.take_closed(all=True)
    return [segment.window() for segment in segments]


def one_by_one(journal: Journal, found: Sequence[bytes]) -> None:
    for line in found:
        parsed = parse_line(line, _T0 + 15_000_000)
        if parsed is not None and parsed.record is not None:
            journal.append(parsed.record)


def by_piles(journal: Journal, found: Sequence[bytes], ledger: Ledger) -> None:
    async def take() -> None:
        records = Records(journal.append_all, ledger)
        records._since_us = _T0 + 15_000_000
        records.take(b"".join([line + b"\n" for line in found]))

    asyncio.run(take())


def figures(windows: Sequence[Window]) -> tuple[dict[object, float], dict[object, float]]:
    """Return counts and times of what was counted, whichever windows were opened for it in turn."""
    counts: dict[object, float] = defaultdict(float)
    times_s: dict[object, float] = defaultdict(float)
    for window in windows:
        for key, summary in window.series.items():
            counts[window.start, key] += summary.count
            times_s[window.start, key] += summary.sum_s
            counts[window.start, key, "in"] += summary.bytes_in
            counts[window.start, key, "out"] += summary.bytes_out
            for mean_s, weight in summary.centroids:
                counts[window.start, key, mean_s] += weight
        for key_id, at in window.keys.items():
            times_s[key_id] = max(at, times_s[key_id])
    return dict(counts), dict(times_s)


def segments(folder: Path) -> list[Window]:
    ids = [(path, parse_window_id(path.stem)) for path in sorted(folder.glob("*.journal"))]
    return [load_window(path, id, 10.0) for path, id in ids if id is not None]


@given(lines)
def test_the_same_figures_as_one_by_one(tmp_path_factory: pytest.TempPathFactory, found: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("piles")
    ledger = Ledger(folder / "ledger")
    try:
        found.sort(key=lambda line: sum(map(int, line.split(b" ")[:2])))  # as HAProxy sends them
        counts, times_s = figures(make_windows(folder / "slow", one_by_one, found))
        fast = make_windows(folder / "fast", lambda journal, taken: by_piles(journal, taken, ledger), found)
        for windows in (fast, segments(folder / "fast")):  # and the same from disk, had it been killed
            found_counts, found_times_s = figures(windows)
            assert found_counts == counts and found_times_s == pytest.approx(times_s, abs=1e-5)
    finally:
        ledger.close()


def test_what_cannot_be_read_spoils_no_other_line() -> None:
    good = b"%d 25 24 0 100 - 300 200 %b/- - m/p0/1.r1/200/--/42" % (_T0, _TRACE)
    bad = [good.replace(b" 25 ", b" x "), good.replace(b"/200/", b"/20x/"), good.replace(b"/200/", b"/")]
    found = [good, b"", b"nonsense", *bad, good + b" POST,https,2.0,%2F", good + b" a b", b"a b"]
    heaps, unread = heap_up(b"".join([line + b"\n" for line in found]))
    assert [heap.text for heap in heaps if len(heap.columns) == 11] == [good + b"\n"]
    assert [heap.text for heap in heaps if len(heap.columns) == 12] == [good + b" POST,https,2.0,%2F\n"]
    assert sorted(unread) == sorted(bad)
