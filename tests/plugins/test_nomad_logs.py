"""Logs of a replica: order, cursors, rotation, ends, times, and what is said when they cannot be had."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.domain.errors import Invalid, NotFound, SchedulerUnavailable
from serai.domain.observation import LogLine, Stream
from serai_nomad.record import log_lines
from serai_nomad.record.log_frames import parse_frames
from serai_nomad.record.log_lines import RawLine, split_lines
from serai_nomad.record.log_position import CHANNELS, LogFile, Position, decode_cursor
from serai_nomad.record.logs import LogReader, LogSource, make_source
from tests.plugins.nomad_log_folder import BEGUN_AT, Folder
from tests.plugins.nomad_stand_in import Said, StandIn, talking

RECORDINGS = Path(__file__).parent / "nomad_recordings"
LIVE = LogSource("a1", frozenset({"server"}))
ENDED = LogSource("a1", frozenset({"server"}), frozenset({"server"}))
INSTALLED = LogSource("a1", frozenset({"install", "server"}), frozenset({"install"}))


@contextmanager
def reading(folder: Folder) -> Iterator[LogReader]:
    with StandIn(folder) as agent, talking(agent) as api:
        yield LogReader(api)


def texts(lines: Iterator[LogLine], stream: Stream | None = None) -> list[str]:
    return [line.text for line in lines if stream in {None, line.stream}]


# lines of files


SERVER = CHANNELS[2]


BEGINNING = Position()


def split(files: dict[int, bytes], start: Position = BEGINNING, is_ended: bool = True) -> list[RawLine]:
    listed = [LogFile(SERVER, number, len(data), BEGUN_AT) for number, data in sorted(files.items())]
    return list(
        split_lines(listed, start, is_ended, lambda file, offset, limit: files[file.number][offset : offset + limit])
    )


SPLITS: list[tuple[dict[int, bytes], list[str]]] = [
    ({}, []),
    ({0: b""}, []),
    ({0: b"one\ntwo\n"}, ["one", "two"]),
    ({0: b"one\r\n\ntwo"}, ["one", "", "two"]),
    ({0: b"on", 1: b"e\ntwo\n"}, ["one", "two"]),
    ({0: b"on", 1: b"", 2: b"e\n"}, ["one"]),
    ({0: b"on", 1: b"e", 2: b"!\n"}, ["one!"]),
    ({0: b"lost be", 2: b"ginning\nnext\n"}, ["lost be", "ginning", "next"]),
    ({7: "grüß\n".encode()}, ["grüß"]),
    ({0: b"\xff\xfe\n"}, ["\ufffd\ufffd"]),
]


@pytest.mark.parametrize(("files", "lines"), SPLITS)
def test_lines_of_files(files: dict[int, bytes], lines: list[str]) -> None:
    assert [line.text for line in split(files)] == lines


def test_what_has_no_end_is_left_while_more_may_come() -> None:
    files = {0: b"one\ntw"}
    (line,) = split(files, is_ended=False)
    assert line.end == Position(0, 4)
    assert [line.text for line in split({0: b"one\ntwo\n"}, line.end, is_ended=False)] == ["two"]


def test_rotated_away_behind_a_cursor() -> None:
    assert [line.text for line in split({3: b"x\n", 4: b"y\n"}, Position(1, 500))] == ["x", "y"]


@given(
    lines=st.lists(st.binary(max_size=40).map(lambda data: data.replace(b"\n", b"").replace(b"\r", b"")), max_size=30),
    cuts=st.lists(st.integers(0, 400), max_size=6),
    chunk=st.integers(1, 50),
    longest=st.integers(4, 60),
)
def test_any_cut_into_files_and_chunks_gives_the_same_lines_and_resumes_anywhere(
    lines: list[bytes], cuts: list[int], chunk: int, longest: int
) -> None:
    data = b"".join(line + b"\n" for line in lines)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    files = {number: data[a:b] for number, (a, b) in enumerate(pairwise(edges))}
    patch = pytest.MonkeyPatch()
    patch.setattr(log_lines, "CHUNK_BYTES", chunk)
    patch.setattr(log_lines, "LONGEST_BYTES", longest)
    try:
        whole = split(files)
        pieces = [part for line in lines for part in _pieces(line, longest)]
        assert [line.text for line in whole] == [piece.decode("utf-8", "replace") for piece in pieces]
        for place, line in enumerate(whole):
            assert split(files, line.end) == whole[place + 1 :]
    finally:
        patch.undo()


def _pieces(line: bytes, longest: int) -> list[bytes]:
    return [line[begin : begin + longest] for begin in range(0, max(len(line), 1), longest)]


# a replica


def make_story(folder: Folder) -> Folder:
    folder.tasks = ("install", "server")
    folder.write("install.stdout.0", b"Collecting numpy\nInstalled", 1)
    folder.write("install.stderr.0", b"a warning\n", 2)
    folder.write("server.stderr.0", b"oops\n", 3)
    folder.write("server.stdout.0", b"one\ntwo\nthr", 4)
    return folder


STORY = [
    (Stream.SYSTEM, "Collecting numpy"),
    (Stream.SYSTEM, "Installed"),
    (Stream.SYSTEM, "a warning"),
    (Stream.STDERR, "oops"),
    (Stream.STDOUT, "one"),
    (Stream.STDOUT, "two"),
]


@pytest.mark.parametrize("has_fs", [True, False])
def test_the_whole_story(has_fs: bool) -> None:
    """The incomplete line of the task that has ended is there, that of the one that lives is not."""
    with reading(make_story(Folder(has_fs=has_fs))) as reader:
        lines = list(reader.read(INSTALLED))
        if has_fs:
            assert [(line.stream, line.text) for line in lines] == STORY
            assert [line.at for line in lines] == [_at(1), _at(1), _at(2), _at(3), _at(4), _at(4)]
        assert {(line.stream, line.text) for line in lines} == set(STORY)
        assert {line.replica for line in lines} == {"a1"}


def _at(seconds: float) -> datetime:
    return BEGUN_AT + timedelta(seconds=seconds)


@pytest.mark.parametrize("has_fs", [True, False])
def test_any_cursor_resumes_exactly(has_fs: bool) -> None:
    source = LogSource("a1", INSTALLED.tasks, INSTALLED.tasks, ended_at=_at(9))
    with reading(make_story(Folder(has_fs=has_fs))) as reader:
        lines = list(reader.read(source))
        assert len(lines) == 7
        for place, line in enumerate(lines):
            assert not set(line.cursor) & set(" \r\n")
            assert list(reader.read(source, after=line.cursor)) == lines[place + 1 :]
        for stream in Stream:
            assert list(reader.read(source, stream)) == [line for line in lines if line.stream is stream]


def test_both_ways_of_reading_agree_on_cursors() -> None:
    """So a token may lose or get read-fs in the middle of a follow."""
    folder = make_story(Folder())
    with reading(folder) as reader:
        lines = list(reader.read(INSTALLED))
    folder.has_fs = False
    with reading(folder) as reader:
        for line in lines:
            rest = {text for _, text in STORY[lines.index(line) + 1 :]}
            assert set(texts(reader.read(INSTALLED, after=line.cursor))) == rest


@pytest.mark.parametrize("has_fs", [True, False])
def test_following_over_rotation_loses_and_doubles_nothing(has_fs: bool) -> None:
    folder, found, cursor = Folder(has_fs=has_fs), [], None
    with reading(folder) as reader:
        for step in range(12):
            folder.write(f"server.stdout.{step // 3}", f"line {step}\npart of {step}".encode(), step)
            folder.write("server.stderr.0", f"err {step}\n".encode(), step)
            if step in {6, 9}:
                folder.rotate_away(f"server.stdout.{step // 3 - 2}")
            new = list(reader.read(LIVE, after=cursor))
            cursor = new[-1].cursor if new else cursor
            found += new
        found += reader.read(ENDED, after=cursor)
    out = texts(iter(found), Stream.STDOUT)
    assert out == ["line 0", *(f"part of {n}line {n + 1}" for n in range(11)), "part of 11"]
    assert texts(iter(found), Stream.STDERR) == [f"err {n}" for n in range(12)]


def test_a_file_that_goes_while_it_is_read() -> None:
    """The agent says so as text with status 200, which is no line."""
    folder = Folder(vanish={"server.stdout.0"})
    folder.write("server.stdout.0", b"x" * 100)
    folder.write("server.stdout.1", b"kept\n")
    with reading(folder) as reader:
        assert texts(reader.read(ENDED)) == ["kept"]


def test_a_line_that_reads_like_that_text_is_a_line() -> None:
    text = b"stat /srv/x: no such file or directory"
    folder = Folder()
    folder.write("server.stdout.0", text)
    with reading(folder) as reader:
        assert texts(reader.read(ENDED)) == [text.decode()]


def test_a_node_that_gives_something_else_is_not_believed() -> None:
    folder = Folder()
    folder.write("server.stdout.0", b"twenty characters...")

    def answer(heard: Any) -> Said:
        return Said(200, "rpc error: EOF") if "readat" in heard.path else folder(heard)

    with (
        StandIn(answer) as agent,
        talking(agent) as api,
        pytest.raises(SchedulerUnavailable, match=r"server\.stdout\.0"),
    ):
        list(LogReader(api).read(ENDED))


def test_big_logs_are_read_in_pieces() -> None:
    folder = Folder()
    folder.write("server.stdout.0", b"".join(b"%07d\n" % number for number in range(200_000)))
    with reading(folder) as reader:
        lines = reader.read(LIVE)
        assert next(lines).text == "0000000"
        lines.close()  # type: ignore[attr-defined]
        assert sum(1 for _ in reader.read(LIVE)) == 200_000
    assert folder.most_read == log_lines.CHUNK_BYTES


def test_lines_keep_the_times_they_were_given_first() -> None:
    folder = Folder()
    with reading(folder) as reader:
        for step in range(3):
            folder.write("server.stdout.0", b"line\n", step)
            list(reader.read(LIVE))
        assert [line.at for line in reader.read(LIVE)] == [_at(0), _at(1), _at(2)]


def test_streams_are_woven_by_their_times() -> None:
    folder = Folder()
    with reading(folder) as reader:
        for step in range(3):
            folder.write("server.stdout.0", f"out {step}\n".encode(), step)
            folder.write("server.stderr.0", f"err {step}\n".encode(), step + 0.5)
            list(reader.read(LIVE))
        assert texts(reader.read(LIVE)) == ["out 0", "err 0", "out 1", "err 1", "out 2", "err 2"]


# ends and errors


def test_nothing_has_been_started_yet() -> None:
    waiting = LogSource("a1", has_started=False)
    for said in (Said(404, 'Unknown allocation "a1"'), Said(404, "open /srv/alloc/logs: no such file or directory")):
        with StandIn(lambda _, said=said: said) as agent, talking(agent) as api:  # type: ignore[misc]
            assert list(LogReader(api).read(waiting)) == []
    with reading(Folder()) as reader:
        assert list(reader.read(waiting)) == []


def test_a_task_that_has_not_started_has_no_lines() -> None:
    folder = Folder(tasks=("install", "server"), has_fs=False)
    folder.write("install.stdout.0", b"one\n")
    with reading(folder) as reader:
        assert texts(reader.read(INSTALLED)) == ["one"]


@pytest.mark.parametrize(
    "text",
    ['Unknown allocation "a1"', "state for allocation a1 not found on client", "open /x: no such file or directory"],
)
@pytest.mark.parametrize("has_fs", [True, False])
def test_collected_logs_are_told(text: str, has_fs: bool) -> None:
    def answer(heard: Any) -> Said:
        return Said(404, text) if has_fs or "logs" in heard.path.split("/") else Said(403, "Permission denied")

    with StandIn(answer) as agent, talking(agent) as api, pytest.raises(NotFound, match="gc_max_allocs") as raised:
        list(LogReader(api).read(ENDED))
    assert raised.value.code == "allocation-collected"


def test_a_node_that_cannot_be_reached() -> None:
    with (
        StandIn(lambda _: Said(404, "No path to node")) as agent,
        talking(agent) as api,
        pytest.raises(SchedulerUnavailable) as raised,
    ):
        list(LogReader(api).read(LIVE))
    assert raised.value.code == "node-unreachable"


@pytest.mark.parametrize("cursor", ["", "1", "a.b-0.0-0.0-0.0", "0.0-0.0-0.0", "0.0-0.0-0.0-0.-1", "0.0-0.0-0.0-0.0.0"])
def test_what_is_no_cursor(cursor: str) -> None:
    with pytest.raises(Invalid):
        decode_cursor(cursor)


def test_a_cursor_says_how_far_each_output_has_been_read() -> None:
    positions = [Position(n, 10 * n) for n in range(len(CHANNELS))]
    assert decode_cursor("0.0-1.10-2.20-3.30") == positions
    assert "-".join(map(str, positions)) == "0.0-1.10-2.20-3.30"
    assert decode_cursor(None) == [Position()] * len(CHANNELS)


# tails


TAILS: list[tuple[bytes, bytes, tuple[str, ...]]] = [
    (b"", b"", ()),
    (b"out\n", b"", ("out",)),
    (b"out\n", b"err\n\n", ("err",)),
    (b"out\n", b" \n\n", ("out",)),
    (b"", b"".join(b"line %d\n" % n for n in range(20)), tuple(f"line {n}" for n in range(17, 20))),
]


@pytest.mark.parametrize(("out", "err", "lines"), TAILS)
def test_tail(out: bytes, err: bytes, lines: tuple[str, ...]) -> None:
    folder = Folder(has_fs=False)
    folder.write("server.stdout.0", out)
    folder.write("server.stderr.0", err)
    with reading(folder) as reader:
        assert reader.tail("a1", lines=3) == lines


def test_a_tail_does_not_begin_in_the_middle_of_a_line() -> None:
    folder = Folder()
    folder.write("server.stderr.0", b"x" * 20_000 + b"\nlast\n")
    with reading(folder) as reader:
        assert reader.tail("a1") == ("last",)


def test_a_tail_of_what_has_not_started() -> None:
    with reading(Folder()) as reader:
        assert reader.tail("a1") == ()


# frames and sources, as recorded


def test_recorded_frames_without_anything_in_between() -> None:
    frames = json.loads((RECORDINGS / "23-logs.json").read_text())["sample_frames"]
    text = "".join(json.dumps(frame) for frame in frames)
    for size in (1, 7, 1000):
        pieces = [text[begin : begin + size] for begin in range(0, len(text), size)]
        assert list(parse_frames(pieces)) == frames
    data = b"".join(base64.b64decode(frame.get("Data", "")) for frame in frames)
    assert [line.split()[:2] for line in data.decode().splitlines()] == [["L", str(n)] for n in range(6)]


def test_recorded_replicas() -> None:
    ended = json.loads((RECORDINGS / "23-logs.json").read_text())["snapshots"][-1]["allocations"][0]
    source = make_source(ended)
    assert (source.ended, source.has_started) == (frozenset({"server"}), True)
    assert source.ended_at is not None and source.ended_at.date() == datetime(2026, 11, 23, tzinfo=UTC).date()
    live = json.loads((RECORDINGS / "23b-log-rotation.json").read_text())["snapshots"][-1]["allocations"][0]
    assert make_source(live) == LogSource(live["ID"], frozenset({"server"}))
    bare = {"ID": "a", "ClientStatus": "pending", "TaskStates": None}
    assert make_source(bare) == LogSource("a", has_started=False)
