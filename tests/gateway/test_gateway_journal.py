"""Every request is counted once: through kills between any two steps, full disks and clocks that jump."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.domain.window import Clock, Window, load_window
from serai.gateway import segment as segment_module
from serai.gateway.journal import Journal
from serai.gateway.record import RequestRecord, decode_record, encode_record
from serai.gateway.segment import WindowId, parse_window_id
from serai.gateway.spool import Spool

RECORD = RequestRecord(105.5, "digits", 3, "r1", 200, 0.25, 0.2, 0.0, 10, 20, "a" * 32, "b" * 16, "", "k1")
LIMIT = 2**20


class Shop:
    """A journal and its spool in a folder, with a clock to turn."""

    def __init__(self, folder: Path, gateway: str = "g.1", limit_bytes: int = LIMIT) -> None:
        self.now = 105.5
        self.folder = folder
        self.spool = Spool(folder, limit_bytes)
        self.recovered = self.spool.recover(10.0)
        self.journal = Journal(folder, gateway, 10.0, lambda: self.now)

    def count(self, at: float, **more: object) -> None:
        self.journal.append(replace(RECORD, at=at, **more))  # type: ignore[arg-type]

    def store(self, all: bool = False) -> None:
        for segment in self.journal.take_closed(all):
            self.spool.store(segment)

    def windows(self) -> list[Window]:
        return [load_window(json.loads(self.spool.load(id))) for id in self.spool.pending()]

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


def counts(windows: list[Window]) -> list[int]:
    return [sum(s.count for key, s in window.series.items() if key.clock is Clock.TOTAL) for window in windows]


@given(
    st.builds(
        RequestRecord,
        at=st.floats(0, 1e10),
        deployment=st.from_regex(r"[a-z0-9-]{1,51}", fullmatch=True),
        version=st.integers(0, 10**9),
        replica=st.from_regex(r"[a-zA-Z0-9._-]{0,80}", fullmatch=True),
        status=st.integers(100, 599),
        total_s=st.floats(0, 1e6),
        first_byte_s=st.none() | st.floats(0, 1e6),
        queue_s=st.none() | st.floats(0, 1e6),
        bytes_in=st.integers(0, 2**60),
        bytes_out=st.integers(0, 2**60),
        trace_id=st.just("a" * 32),
        span_id=st.just("b" * 16),
        parent_id=st.sampled_from(["", "c" * 16]),
        key_id=st.sampled_from(["", "17"]),
    )
)
def test_a_record_survives_its_line(record: RequestRecord) -> None:
    line = encode_record(record)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert encode_record(decode_record(line[:-1])) == line


@pytest.mark.parametrize("cut", [1, 10, 40, 100])
def test_a_cut_line_is_no_record(cut: int) -> None:
    with pytest.raises(ValueError):
        decode_record(encode_record(RECORD)[:cut])


def test_window_ids_are_names_of_files() -> None:
    id = WindowId(1_700_000_000, 42, "abc.def")
    assert parse_window_id(str(id)) == id
    assert [parse_window_id(text) for text in ("", "x", "000-1-a", "../etc/passwd")] == [None] * 4


def test_windows_close_with_the_clock(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    for at in (100.0, 109.99, 110.0, 131.0):
        shop.count(at)
    shop.now = 132.0
    shop.store()
    windows = shop.windows()
    assert [(w.start, w.sequence, w.length_s) for w in windows] == [(100.0, 1, 10.0), (110.0, 2, 10.0)]
    assert counts(windows) == [2, 1]
    shop.now = 140.0
    shop.store()
    assert counts(shop.windows()) == [2, 1, 1]
    assert not [name for name in shop.files() if name.endswith(".journal")]


def test_figures_are_those_of_the_records(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.count(100.0, total_s=1.0, first_byte_s=0.5, queue_s=0.125)
    shop.count(101.0, total_s=3.0, first_byte_s=None, queue_s=0.125, status=503, version=0, replica="")
    shop.store(all=True)
    (window,) = shop.windows()
    found = {
        (k.status, k.version, k.replica, k.clock.value): (s.count, s.sum_s, s.max_s, s.bytes_in, s.bytes_out)
        for k, s in window.series.items()
    }
    assert found == {
        ("2xx", 3, "r1", "total"): (1, 1.0, 1.0, 10, 20),
        ("2xx", 3, "r1", "first_byte"): (1, 0.5, 0.5, 0, 0),
        ("2xx", 3, "r1", "queue"): (1, 0.125, 0.125, 0, 0),
        ("5xx", 0, "", "total"): (1, 3.0, 3.0, 10, 20),
        ("5xx", 0, "", "queue"): (1, 0.125, 0.125, 0, 0),
    }


def test_a_clock_that_jumps_loses_nothing(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    for at in (100.0, 5000.0, 101.0, 102.0, 50.0):
        shop.count(at)
    shop.store(all=True)
    windows = shop.windows()
    assert sorted(w.sequence for w in windows) == [1, 2, 3, 4]
    assert sum(counts(windows)) == 5


def test_a_killed_gateways_records_are_found(tmp_path: Path) -> None:
    killed = Shop(tmp_path)
    for at in (100.0, 101.0, 112.0):
        killed.count(at)  # and nothing else: two segments lie open on the disk
    (last,) = tmp_path.glob("*-00000002-*.journal")
    with last.open("ab") as file:
        file.write(encode_record(RECORD)[:30])  # the kill came in the middle of a line
    after = Shop(tmp_path, "g.2")
    assert after.recovered == 2
    windows = after.windows()
    assert [(w.gateway, w.sequence) for w in windows] == [("g.1", 1), ("g.1", 2)]
    assert counts(windows) == [2, 1]


def test_the_same_figures_however_they_were_folded(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "a")
    for number in range(50):
        shop.count(100.0 + number / 10, total_s=number / 100)
    (path,) = (tmp_path / "a").glob("*.journal")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / path.name).write_bytes(path.read_bytes())
    shop.store(all=True)
    assert Shop(tmp_path / "b").windows() == shop.windows()


def test_a_kill_between_storing_and_removing_counts_once(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.count(100.0)
    (path,) = tmp_path.glob("*.journal")
    lines = path.read_bytes()
    shop.store(all=True)
    path.write_bytes(lines)  # as if the kill had come before its removal
    after = Shop(tmp_path, "g.2")
    assert after.recovered == 0 and counts(after.windows()) == [1] and not path.exists()


def test_a_kill_after_the_acknowledgement_is_told_by_the_number(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.count(100.0)
    shop.store(all=True)
    sent = shop.windows()
    again = Shop(tmp_path, "g.2").windows()  # sent, but the removal never happened
    assert [(w.gateway, w.sequence) for w in again] == [(w.gateway, w.sequence) for w in sent]


def test_removed_is_gone(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.count(100.0)
    shop.store(all=True)
    (id,) = shop.spool.pending()
    shop.spool.remove(id)
    assert shop.files() == [] and shop.spool.pending() == []


def test_too_many_windows_drop_the_oldest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(tmp_path, limit_bytes=1500)
    for at in range(100, 300, 10):
        shop.count(float(at))
    shop.store(all=True)
    windows = shop.windows()
    assert 1 < len(windows) < 20 and windows[-1].start == 290.0
    assert "dropped" in caplog.text


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "half.tmp").write_text("left by a kill")
    assert Shop(tmp_path).files() == ["notes.txt"]


def test_no_requests_make_no_files(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.now += 100
    shop.store(all=True)
    assert shop.files() == []


class Disk:
    """Stands where the operating system's write does, and is full for as long as told: a real full disk needs root."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room: int | None = None
        self._write = os.write
        monkeypatch.setattr(segment_module.os, "write", self.write)

    def write(self, descriptor: int, data: bytes) -> int:
        if self.room is None:
            return self._write(descriptor, data)
        if self.room == 0:
            raise OSError(28, "No space left on device")
        taken, self.room = data[: self.room], max(0, self.room - len(data))
        return self._write(descriptor, taken)


def test_a_full_disk_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk(monkeypatch)
    caplog.set_level(logging.INFO)
    shop = Shop(tmp_path)
    shop.count(100.0)
    disk.room = 50  # the second line is cut short, the third refused
    shop.count(101.0)
    shop.count(102.0)
    disk.room = None
    shop.count(103.0)
    (path,) = tmp_path.glob("*.journal")
    assert [decode_record(line).at for line in path.read_bytes().splitlines()] == [100.0, 103.0]
    shop.store(all=True)
    assert counts(shop.windows()) == [4]
    assert caplog.text.count("cannot be written") == 1 and caplog.text.count("can be written again") == 1


def test_a_folder_that_takes_no_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Windows are kept in memory, and sent and forgotten from there."""
    shop = Shop(tmp_path / "journal")
    (tmp_path / "journal").rmdir()
    (tmp_path / "journal").write_text("in the way")
    for at in (100.0, 111.0):
        shop.count(at)
    shop.store(all=True)
    assert counts(shop.windows()) == [1, 1]
    assert "in memory only" in caplog.text
    shop.spool.remove(shop.spool.pending()[0])
    assert [window.sequence for window in shop.windows()] == [2]
