"""The pure parts of who may come in: keys in their headers, windows of rates, and who is one client."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.config import load_configuration
from serai.domain.deployment import Access
from serai.domain.errors import Invalid
from serai.domain.routes import Grant, Route
from serai.domain.traffic import Limits, Rate
from serai.gateway.keys import WrongKey, check_key, find_key
from serai.gateway.problems import Problem
from serai.gateway.rates import WRONG_KEYS, Rates, group_client

KEYED = Route("m", "ann", 1, access=Access.KEYS, key_header="x-api-key")
HASH = hashlib.sha256(b"good").hexdigest()


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ([], None),
        ([(b"Authorization", b"bearer  a ")], "a"),
        ([(b"authorization", b"Basic a")], None),
        ([(b"authorization", b"Bearer")], None),
        ([(b"X-API-Key", b"a")], "a"),
        ([(b"X-API-Key", b"a"), (b"Authorization", b"Bearer a")], "a"),
        ([(b"X-Other", b"a")], None),
        ([(b"X-Api-Key", b"\xff")], "\udcff"),
    ],
)
def test_where_keys_stand(headers: list[tuple[bytes, bytes]], key: str | None) -> None:
    assert find_key(headers, "x-api-key") == key


def test_two_keys_are_refused_and_not_shown() -> None:
    with pytest.raises(Problem, match="x-api-key") as refused:
        find_key([(b"x-api-key", b"sk_one"), (b"Authorization", b"Bearer sk_two")], "x-api-key")
    assert refused.value.code == "two-keys" and "sk_" not in refused.value.detail


@pytest.mark.parametrize(
    ("key", "status", "wrong"),
    [(None, 401, False), ("bad", 401, True), ("\udcff", 401, True), ("", 401, True), ("other", 403, False)],
)
def test_keys_that_do_not_open(key: str | None, status: int, wrong: bool) -> None:
    other = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(Problem) as refused:
        check_key(key, KEYED, {HASH: Grant(HASH, "k1")}, 0.0, lambda hash, now: hash == other)
    assert refused.value.status == status and isinstance(refused.value, WrongKey) is wrong


@pytest.mark.parametrize(("now", "opens"), [(9.9, True), (10.0, False)])
def test_a_key_opens_until_it_ends(now: float, opens: bool) -> None:
    grants = {HASH: Grant(HASH, "k1", 10.0)}
    if opens:
        assert check_key("good", KEYED, grants, now, lambda hash, now: False).key_id == "k1"
    else:
        with pytest.raises(WrongKey, match="expired"):
            check_key("good", KEYED, grants, now, lambda hash, now: False)


def passes(rates: Rates, rate: Rate, times: list[float]) -> list[float]:
    """Return when requests passed that came at `times`."""
    passed = []
    for at in times:
        if not rates.wait_s(("a",), rate, at):
            rates.count(("a",), rate, at)
            passed.append(at)
    return passed


@pytest.mark.parametrize(
    ("rate", "times", "passed"),
    [
        (Rate(2), [0, 0.1, 0.2, 0.9], [0, 0.1]),
        (Rate(2), [0, 0.1, 1.2, 1.4], [0, 0.1, 1.2]),  # four fifths of two and one are more than two
        (Rate(2), [0, 0.1, 1.2, 1.6], [0, 0.1, 1.2, 1.6]),
        (Rate(2), [0, 0.1, 2.0, 2.0, 2.0], [0, 0.1, 2.0, 2.0]),
        (Rate(1, 60), [0, 59, 60, 61, 119, 120.5], [0, 60, 120.5]),
        (Rate(1), [0, 5, 5.5], [0, 5]),
    ],
)
def test_which_requests_pass(rate: Rate, times: list[float], passed: list[float]) -> None:
    assert passes(Rates(), rate, times) == passed


@given(st.integers(1, 50), st.integers(1, 60), st.randoms(use_true_random=False))
def test_no_window_lets_twice_the_count_pass_and_waits_are_honest(
    count: int, per_s: int, chance: random.Random
) -> None:
    rate, rates, now, passed = Rate(count, per_s), Rates(), 0.0, []
    for _ in range(300):
        now += chance.random() * per_s / count
        wait_s = rates.wait_s(("a",), rate, now)
        assert 0 <= wait_s <= 2 * per_s
        if wait_s:
            assert not rates.wait_s(("a",), rate, now + wait_s + 1e-6)
            now += wait_s + 1e-6
        rates.count(("a",), rate, now)
        passed.append(now)
    for at in passed:
        assert sum(at - per_s < other <= at for other in passed) < 2 * count + 1


def test_memory_is_bounded_and_the_quiet_are_forgotten() -> None:
    rates, rate = Rates(most=3), Rate(1, 60)
    for name in ("a", "b", "c", "a", "d"):
        rates.count((name,), rate, 0.0)
    assert len(rates) == 3
    assert rates.wait_s(("a",), rate, 0.0) > 0 and rates.wait_s(("b",), rate, 0.0) == 0


def test_a_refused_request_uses_neither_limit_up() -> None:
    rates, limits = Rates(), Limits(per_key=Rate(1, 60), per_client=Rate(3, 60))
    rates.admit("m", limits, "k1", "1.1.1.1", 0.0)
    for _ in range(5):
        with pytest.raises(Problem, match=r"limits\.per_key"):
            rates.admit("m", limits, "k1", "1.1.1.1", 0.0)
    rates.admit("m", limits, "k2", "1.1.1.1", 0.0)
    rates.admit("m", limits, "k3", "1.1.1.1", 0.0)
    with pytest.raises(Problem, match=r"limits\.per_client") as refused:
        rates.admit("m", limits, "k4", "1.1.1.1", 0.5)
    assert refused.value.headers == {"Retry-After": "60"}


def test_wrong_keys_are_counted_by_client() -> None:
    rates = Rates()
    for _ in range(WRONG_KEYS.count):
        rates.punish("1.1.1.1", WRONG_KEYS, 0.0)
    with pytest.raises(Problem) as refused:
        rates.punish("1.1.1.1", WRONG_KEYS, 0.0)
    assert refused.value.status == 429
    rates.punish("1.1.1.2", WRONG_KEYS, 0.0)
    rates.punish("1.1.1.1", WRONG_KEYS, 2.0 * WRONG_KEYS.per_s)


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
    ],
)
def test_who_is_one_client(address: str, client: str) -> None:
    assert group_client(address) == client


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("gateway_keys_then", "perhaps", "'perhaps' has to be keep or refuse"),
        ("gateway_keys_last", "long", "'long' is not a duration"),
        ("gateway_wrong_keys", "few", "'few' is not a rate; write 100/s"),
    ],
)
def test_settings_that_make_no_sense(name: str, value: str, wrong: str) -> None:
    with pytest.raises(Invalid, match=f"{name}.*{wrong}"):
        load_configuration(None, {f"SERAI_{name.upper()}": value})


def test_settings_that_make_sense() -> None:
    names = {"SERAI_GATEWAY_KEYS_THEN": "refuse", "SERAI_GATEWAY_KEYS_LAST": "90m", "SERAI_GATEWAY_WRONG_KEYS": "0"}
    found = load_configuration(None, names)
    assert (found.gateway_keys_then, found.gateway_keys_last, found.gateway_wrong_keys) == ("refuse", 5400, None)
