"""The shim's parts that need no process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.domain.errors import Invalid
from serai_local.logs import read_lines
from serai_local.shim.diagnosis import describe_ports
from serai_local.shim.environment import names_files
from serai_local.shim.failure import describe_exit
from serai_local.shim.journal import MAX_LINE, Journal
from serai_local.shim.probe import Answer, parse_status
from serai_local.shim.pump import split_lines
from serai_local.shim.readiness import Readiness


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("HTTP/1.1 200 OK", 200),
        ("HTTP/1.0 404", 404),
        ("HTTP/2 99 short", None),
        ("HTTP/1.1 2000 long", 200),
        ("SSH-2.0-OpenSSH", None),
        ("", None),
    ],
)
def test_status_line(line: str, status: int | None) -> None:
    assert parse_status(line) == status


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exited with code 0"),
        (127, "exited with code 127 (a command was not found)"),
        (137, "exited with code 137 (a signal, SIGKILL)"),
        (-9, "was killed by SIGKILL"),
        (-64, "was killed by SIGRTMAX"),
        (-63, "was killed by signal 63"),
    ],
)
def test_exit_codes_in_words(code: int, words: str) -> None:
    assert describe_exit(code) == words


@pytest.mark.parametrize(
    ("seen", "said"),
    [([], ""), ([8000], ""), ([7000], "port 7000, not on 8000"), ([7000, 7001], "ports 7000 and 7001, not on 8000")],
)
def test_wrong_ports_in_words(seen: list[int], said: str) -> None:
    assert said in describe_ports(8000, seen) and bool(said) == bool(describe_ports(8000, seen))


@pytest.mark.parametrize(
    ("text", "is_local"),
    [
        ("numpy==2.0\n# ./no\n", False),
        ("./wheels/a.whl", True),
        ("-r more.txt", True),
        ("a @ file:///x", True),
        ("torch --index-url https://x", False),
    ],
)
def test_requirements_that_name_files(text: str, is_local: bool) -> None:
    assert names_files(text.encode()) is is_local


# lines


@given(st.lists(st.binary(max_size=50)), st.integers(1, 7))
def test_lines_survive_any_cutting(lines: list[bytes], size: int) -> None:
    data = b"".join(line.replace(b"\n", b"").removesuffix(b"\r") + b"\n" for line in lines)
    rest, found = b"", []
    for start in range(0, len(data), size):
        whole, rest = split_lines(rest + data[start : start + size])
        found += whole
    assert rest == b"" and b"".join(line + b"\n" for _, line in found) == data.replace(b"\r\n", b"\n")


@given(st.text("aä€😀", min_size=1, max_size=20))
def test_long_lines_are_parted_between_characters(text: str) -> None:
    data = (text * (3 * MAX_LINE // len(text))).encode()
    parts, rest = split_lines(data)
    assert parts and all(flag == "P" and 0 < len(part) <= MAX_LINE for flag, part in parts)
    assert b"".join(part for _, part in parts) + rest == data
    for _, part in parts:
        part.decode()


# journal and its reader


def test_a_reader_follows_over_rotation_without_loss_or_doubling(tmp_path: Path) -> None:
    journal = Journal(tmp_path, file_bytes=1000, files=100)
    seen: list[str] = []
    cursor: str | None = None
    for n in range(300):
        journal.write("stdout", [("F", f"line {n}".encode())])
        if n % 7 == 0:
            lines = list(read_lines(tmp_path, "r", None, cursor))
            seen += [line.text for line in lines]
            cursor = lines[-1].cursor
    seen += [line.text for line in read_lines(tmp_path, "r", None, cursor)]
    journal.close()
    assert seen == [f"line {n}" for n in range(300)]
    assert len(list(tmp_path.iterdir())) > 10


def test_what_is_rotated_away_is_skipped(tmp_path: Path) -> None:
    journal = Journal(tmp_path, file_bytes=1000, files=2)
    journal.write("stdout", [("F", b"first")])
    (first,) = read_lines(tmp_path, "r", None, None)
    for n in range(200):
        journal.write("stderr", [("F", f"line {n}".encode())])
    texts = [line.text for line in read_lines(tmp_path, "r", None, first.cursor)]
    journal.close()
    assert texts and texts[-1] == "line 199" and "first" not in texts
    assert texts == [f"line {n}" for n in range(200 - len(texts), 200)]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_journal_goes_on_in_a_new_file(tmp_path: Path) -> None:
    for n in range(3):
        journal = Journal(tmp_path, file_bytes=1000, files=9)
        journal.remark(f"life {n}")
        journal.close()
    assert [line.text for line in read_lines(tmp_path, "r", None, None)] == ["life 0", "life 1", "life 2"]


def test_a_torn_line_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "1.log").write_bytes(b"2026-11-23T13:11:01.123456Z stdout F whole\n2026-11-23T13:11:02.1")
    (line,) = read_lines(tmp_path, "r", None, None)
    assert (line.text, line.at.microsecond, line.cursor) == ("whole", 123456, "1.43")


@pytest.mark.parametrize("cursor", ["x", "1", "1.", ".2", "1.-2", "1.2.3"])
def test_a_strange_cursor_is_refused(tmp_path: Path, cursor: str) -> None:
    with pytest.raises(Invalid):
        list(read_lines(tmp_path, "r", None, cursor))


def test_a_full_disk_drops_lines_with_one_remark(tmp_path: Path) -> None:
    journal = Journal(tmp_path, file_bytes=200, files=9)
    (tmp_path / "1.log").symlink_to("/dev/full")
    journal.write("stdout", [("F", b"lost")] * 3)
    journal.write("stdout", [("F", b"lost, too")])
    (tmp_path / "1.log").unlink()
    with (tmp_path / "1.log").open("wb") as file:  # space is free again
        os.dup2(file.fileno(), journal._fd)
    journal.write("stdout", [("F", b"kept")])
    journal.close()
    texts = [line.text for line in read_lines(tmp_path, "r", None, None)]
    assert texts == ["Lines missing here: 4 (No space left on device)", "kept"]


# readiness


def answer(passed: bool = False, host: str = "", text: str = "no") -> Answer:
    return Answer(passed, host, "" if passed else text)


def test_readiness_step_by_step() -> None:
    it = Readiness(interval_s=2.0, now=0.0)
    steps = [
        (answer(), "loading"),
        (answer(host="127.0.0.1"), "checking"),
        (answer(), "checking"),
        (answer(passed=True, host="127.0.0.1"), "ready"),
        (answer(host="127.0.0.1"), "ready"),
        (answer(), "ready"),
        (answer(passed=True, host="127.0.0.1"), "ready"),
        (answer(), "ready"),
        (answer(), "ready"),
        (answer(), "checking"),
        (answer(passed=True, host="127.0.0.1"), "ready"),
    ]
    for now, (given_, phase) in enumerate(steps):
        it.take(given_, float(now))
        assert it.phase == phase, now


def test_probing_is_quick_at_first_and_polite_later() -> None:
    it = Readiness(interval_s=2.0, now=0.0)
    assert it.pause_s(0.0) <= 0.1 and it.pause_s(500.0) <= 0.1, "a refused connection costs the model nothing"
    it.take(answer(host="127.0.0.1"), 10.0)
    assert [it.pause_s(10.0), it.pause_s(15.0), it.pause_s(100.0)] == [0.1, 0.5, 2.0]
    it.take(answer(passed=True, host="127.0.0.1"), 100.0)
    assert it.pause_s(100.0) == 2.0
