"""Kept logs: whatever breaks off where, exactly the lines that were appended, once each and in order."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serai.domain.errors import Invalid
from serai.domain.log_filter import ALL_LINES, LogFilter
from serai.domain.observation import LogLine, Stream
from serai.plugin.log_store import LogKey
from serai.store.log_files import FileLogStore, LogLimits
from serai.store.log_reading import FolderReading
from serai.store.log_segments import list_segments, load_segment, open_path

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
KEY = LogKey("m-v1", "m-v1-abc")
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n"), max_size=40)


def make_line(number: int, text: str = "", stream: Stream = Stream.STDOUT) -> LogLine:
    return LogLine(BEGIN + timedelta(seconds=number), KEY.replica, stream, text or f"line {number}", str(number + 1))


def make_lines(begin: int, end: int) -> list[LogLine]:
    return [make_line(number) for number in range(begin, end)]


def make_store(root: Path, segment_bytes: int = 200, **limits: object) -> FileLogStore:
    return FileLogStore(root, LogLimits(**limits), segment_bytes)  # type: ignore[arg-type]


def texts(store: FileLogStore, wanted: LogFilter = ALL_LINES, after: str | None = None) -> list[str]:
    return [line.text for line in store.read(KEY, wanted, after)]


def nothing_known(key: LogKey) -> bool:
    return False


def all_known(key: LogKey) -> bool:
    return True


def only(*workloads: str) -> Callable[[], tuple[str, ...]]:
    return lambda: workloads


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_random_batches_and_crashes_at_any_byte(data: st.DataObject) -> None:
    """After each crash collection goes on behind the cursor that is left, as a collector does."""
    source = [make_line(number, text) for number, text in enumerate(data.draw(st.lists(TEXTS, max_size=40)))]
    with TemporaryDirectory() as folder:
        store = make_store(Path(folder), segment_bytes=150)
        while (done := int(store.cursor(KEY) or 0)) < len(source):
            batch = source[done : done + data.draw(st.integers(1, 7))]
            store.append(KEY, batch)
            if data.draw(st.booleans()):
                store.seal(KEY)
            if data.draw(st.booleans()):
                store = crash(store, Path(folder), data)
        kept = list(store.read(KEY, ALL_LINES))
        assert [(line.at, line.stream, line.text) for line in kept] == [(s.at, s.stream, s.text) for s in source]
        for place, line in enumerate(kept):
            assert [later.cursor for later in store.read(KEY, ALL_LINES, line.cursor)] == [
                later.cursor for later in kept[place + 1 :]
            ]


def crash(store: FileLogStore, root: Path, data: st.DataObject) -> FileLogStore:
    """Die in the middle of the next write: any part of a batch stands behind what is there."""
    torn = b"2026-01-01T00:00:00.000000Z o a line whose batch\n= 999999\n"[: data.draw(st.integers(0, 58))]
    torn = torn[: data.draw(st.integers(0, len(torn)))].removesuffix(b"= 999999\n")
    folder = root / "m" / "v1" / KEY.replica
    segments = list_segments(folder)
    last = segments[-1]
    path = open_path(folder, last.number + 1) if last.is_closed else last.path
    with path.open("ab") as file:
        file.write(torn)
    return make_store(root, segment_bytes=150)


@pytest.mark.parametrize("cut", range(1, 70))
def test_a_batch_that_was_cut_at_any_byte_does_not_count(tmp_path: Path, cut: int) -> None:
    store = make_store(tmp_path, segment_bytes=10_000)
    store.append(KEY, make_lines(0, 3))
    path = tmp_path / "m" / "v1" / KEY.replica / "000000.log"
    whole = path.stat().st_size
    store.append(KEY, make_lines(3, 5))
    os.truncate(path, max(whole, path.stat().st_size - cut))
    assert texts(store) == ["line 0", "line 1", "line 2"]  # a reader never sees what may be cut off
    again = make_store(tmp_path, segment_bytes=10_000)
    assert again.cursor(KEY) == "3"
    again.append(KEY, make_lines(3, 5))
    assert texts(again) == [f"line {number}" for number in range(5)]


def test_a_crash_while_a_segment_is_closed(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    store.append(KEY, make_lines(0, 4))
    store.seal(KEY)
    folder = tmp_path / "m" / "v1" / KEY.replica
    [closed] = list_segments(folder)
    open_path(folder, 0).write_bytes(load_segment(closed))  # not yet removed
    (folder / "000001-1-2.log.gz.tmp").write_bytes(b"half")
    assert texts(store) == [f"line {number}" for number in range(4)]
    again = make_store(tmp_path)
    assert again.cursor(KEY) == "4"
    assert [path.name for path in folder.iterdir()] == [closed.path.name]


def test_a_failed_write_leaves_nothing_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_store(tmp_path)
    store.append(KEY, make_lines(0, 2))
    write = os.write

    def write_some(file: int, data: memoryview) -> int:
        write(file, data[:20])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write_some)
        with pytest.raises(OSError, match="No space"):
            store.append(KEY, make_lines(2, 4))
    assert store.cursor(KEY) == "2"
    store.append(KEY, make_lines(2, 4))
    assert texts(store) == [f"line {number}" for number in range(4)]


def test_lines_are_chosen_and_other_segments_not_opened(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    for number in range(20):
        store.append(KEY, [make_line(number, stream=Stream.STDERR if number == 7 else Stream.STDOUT)])
    folder = tmp_path / "m" / "v1" / KEY.replica
    first = list_segments(folder)[0]
    assert first.is_closed and len(list_segments(folder)) > 3
    first.path.write_bytes(b"not even gzip")
    since = LogFilter(since=BEGIN + timedelta(seconds=15))
    assert texts(store, since) == [f"line {number}" for number in range(15, 20)]
    between = LogFilter(since=BEGIN + timedelta(seconds=7), until=BEGIN + timedelta(seconds=9))
    assert texts(store, between) == ["line 7", "line 8"]
    behind_first = f"{first.number + 1}.0"
    assert texts(store, LogFilter(stream=Stream.STDERR), behind_first) == ["line 7"]
    assert texts(store, LogFilter(text="LINE 19"), behind_first) == ["line 19"]


def test_a_reading_moves_on_over_what_is_not_wanted(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    for number in range(20):
        store.append(KEY, [make_line(number)])
    reading: FolderReading = store.read(KEY, LogFilter(text="nowhere"))
    assert list(reading) == []
    store.append(KEY, make_lines(20, 22))
    assert texts(store, ALL_LINES, reading.cursor) == ["line 20", "line 21"]


@pytest.mark.parametrize("count", [1, 3, 19, 25])
def test_the_last_lines(tmp_path: Path, count: int) -> None:
    store = make_store(tmp_path)
    for number in range(20):
        store.append(KEY, [make_line(number)])
    found = texts(store, ALL_LINES, store.find_last(KEY, ALL_LINES, count))
    assert found[-count:] == [f"line {number}" for number in range(20)][-count:]


def test_old_lines_go_and_are_not_collected_again(tmp_path: Path) -> None:
    store = make_store(tmp_path, keep=timedelta(days=1))
    store.append(KEY, make_lines(0, 20))
    store.append(KEY, make_lines(20, 22))
    later = datetime.now(UTC) + timedelta(days=2)
    store.prune(later, only("m-v1"), all_known)
    assert texts(store) == [] and store.list_logs("m-v1") == []
    again = make_store(tmp_path)
    assert again.cursor(KEY) == "22"  # the scheduler still has the lines
    again.append(KEY, make_lines(22, 23))
    assert texts(again) == ["line 22"]
    later_still = make_store(tmp_path, keep=timedelta(days=1))
    later_still.prune(later, only("m-v1"), nothing_known)
    assert later_still.cursor(KEY) is None and not (tmp_path / "m" / "v1" / KEY.replica).exists()


def test_a_replica_and_all_together_have_limits(tmp_path: Path) -> None:
    store = make_store(tmp_path, replica_bytes=2_000)
    for number in range(200):
        store.append(KEY, [make_line(number)])
    folder = tmp_path / "m" / "v1" / KEY.replica
    assert sum(segment.size_bytes() for segment in list_segments(folder)) < 2_500
    found = texts(store)
    assert found == [f"line {number}" for number in range(200 - len(found), 200)] and found
    assert texts(store, ALL_LINES, "0.50") == found  # what the cursor named is gone
    other = LogKey("n-v1", "x")
    for number in range(200):
        store.append(other, [make_line(1000 + number)])
    small = make_store(tmp_path, total_bytes=2_000)
    small.prune(BEGIN, only("m-v1", "n-v1"), nothing_known)
    assert len(texts(small)) < 5 < len(list(small.read(other, ALL_LINES)))  # the oldest went first


def test_logs_go_with_their_version(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    for workload in ("m-v1", "m-v2", "n-v1"):
        store.append(LogKey(workload, "r"), make_lines(0, 1))
    store.forget("m-v2")
    store.forget("m-v3")
    assert [log.replica for log in store.list_logs("m-v1")] == ["r"] and store.list_logs("m-v2") == []
    store.prune(BEGIN, only("m-v1"), nothing_known)
    assert store.list_logs("m-v1") and not (tmp_path / "n").exists()
    store.append(LogKey("m-v2", "r"), make_lines(5, 6))
    assert [line.text for line in store.read(LogKey("m-v2", "r"), ALL_LINES)] == ["line 5"]


@pytest.mark.parametrize("replica", ["..", ".", "../../x", "a/b", "a b", "é", "x" * 60])
def test_no_replica_leads_out_of_its_folder(tmp_path: Path, replica: str) -> None:
    store, key = make_store(tmp_path / "logs"), LogKey("m-v1", replica)
    store.append(key, make_lines(0, 1))
    assert [log.replica for log in store.list_logs("m-v1")] == [replica]
    assert [path.name for path in tmp_path.glob("*")] == ["logs"] and [
        path.name for path in tmp_path.glob("logs/m/*")
    ] == ["v1"]
    assert len(list(store.read(key, ALL_LINES))) == 1


@pytest.mark.parametrize("cursor", ["x", "1", "1.", "-1.2", "1.-2", "1.2.3", "9" * 30 + ".0"])
def test_what_is_no_cursor(tmp_path: Path, cursor: str) -> None:
    with pytest.raises(Invalid, match="not a cursor"):
        make_store(tmp_path).read(KEY, ALL_LINES, cursor)


def test_a_newline_in_a_text_makes_two_lines(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    store.append(KEY, [make_line(0, "one\n= two\r")])
    assert texts(store) == ["one", "= two\r"]
