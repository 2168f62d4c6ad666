"""Names, durations, sizes, CPU shares: what is taken, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.domain.errors import Invalid
from serai.domain.names import MAX_NAME, check_name, parse_workload_id, suggest_name, workload_id
from serai.domain.quantity import Cpu, format_bytes, format_duration, parse_bytes, parse_cpu, parse_duration


@pytest.mark.parametrize("name", ["a", "digits", "a-b", "9lives", "a" * MAX_NAME, "m-v1"])
def test_good_names(name: str) -> None:
    assert check_name(name) == name
    assert len(workload_id(name, 9_999_999_999)) <= 63
    assert parse_workload_id(workload_id(name, 12)) == (name, 12)


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "a b", "a/b", "ä", "a" * (MAX_NAME + 1), "a\n"])
def test_bad_names(name: str) -> None:
    with pytest.raises(Invalid, match="for example"):
        check_name(name)


@given(st.text())
def test_a_suggested_name_is_a_good_one(text: str) -> None:
    assert check_name(suggest_name(text))


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("1h30m", 5400), ("250ms", 0.25), (7, 7), (0.5, 0.5), ("1d", 86400)]
)
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text, "x") == seconds


@pytest.mark.parametrize("text", ["", "10", "s", "1 h", "-1s", True, None, float("nan"), float("inf"), -1, "999999d"])
def test_bad_durations(text: object) -> None:
    with pytest.raises(Invalid, match="x: "):
        parse_duration(text, "x")


@pytest.mark.parametrize(
    ("text", "count"), [("4GiB", 4 * 2**30), ("500MB", 5 * 10**8), ("1.5 KiB", 1536), (10, 10), ("7B", 7), ("2G", 2e9)]
)
def test_sizes(text: object, count: int) -> None:
    assert parse_bytes(text, "x") == count


@pytest.mark.parametrize("text", ["", "4 gigs", "-1", 0, True, "1e3", None])
def test_bad_sizes(text: object) -> None:
    with pytest.raises(Invalid, match="x: "):
        parse_bytes(text, "x")


def test_cpu_shares() -> None:
    assert parse_cpu(0.5, "x") == parse_cpu("0.5", "x") == Cpu(cores=0.5)
    assert parse_cpu("1500MHz", "x") == Cpu(mhz=1500)
    with pytest.raises(Invalid):
        parse_cpu("fast", "x")


def test_for_people() -> None:
    assert [format_duration(s) for s in (0.25, 12, 180, 7500, 4 * 86400)] == ["0.25s", "12s", "3m", "2h5m", "4d"]
    assert [format_bytes(b) for b in (512, 1536, 40 * 2**30)] == ["512 B", "1.5 KiB", "40 GiB"]
