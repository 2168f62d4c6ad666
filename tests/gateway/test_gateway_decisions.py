"""The pure parts: where a request goes, to whom, under which trace, and for how long."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.domain.deployment import Timeouts
from serai.domain.routes import Endpoint, Route, RouteTable
from serai.gateway.backoff import derive_pause
from serai.gateway.balance import Loads, choose_endpoint
from serai.gateway.headers import is_sane_id, pass_request, strip_session
from serai.gateway.hold import HoldFull, Holds
from serai.gateway.problems import Problem, read_version
from serai.gateway.routing import Destination, deployment_of_host, find_destination, split_prefix, to_origin_form
from serai.gateway.targets import Targets
from serai.gateway.timeouts import Limit, TimedOut, Watch
from serai.gateway.trace import derive_trace

A, B, C = (Endpoint(name, f"127.0.0.1:{port}", 1) for name, port in (("a", 1), ("b", 2), ("c", 3)))


def first(items: Sequence[Endpoint]) -> Endpoint:
    return items[0]


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/a", ("a", "/")),
        ("/a/", ("a", "/")),
        ("/a//", ("a", "//")),
        ("/a?x", ("a", "/?x")),
        ("/a?x=/b", ("a", "/?x=/b")),
        ("/a/b?x", ("a", "/b?x")),
        ("/%61/b", ("%61", "/b")),
        ("/", ("", "/")),
        ("//a", ("", "/a")),
        ("*", ("", "*")),
        ("", ("", "")),
    ],
)
def test_split_prefix(path: str, parts: tuple[str, str]) -> None:
    assert split_prefix(path) == parts


@given(
    st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True), st.from_regex(r"(/[!-~]{0,20})?(\?[!-~]{0,20})?", fullmatch=True)
)
def test_nothing_of_the_path_is_lost(name: str, rest: str) -> None:
    found = find_destination(f"/{name}{rest}", "", "", {name})
    assert found is not None and found.target.removeprefix("/").endswith(rest.removeprefix("/"))
    assert found.target == (rest if rest.startswith("/") else "/" + rest)


@pytest.mark.parametrize(
    ("host", "domain", "name"),
    [
        ("m.example.org", "example.org", "m"),
        ("M.EXAMPLE.org:8000", "Example.org", "m"),
        ("m.example.org.", "example.org", "m"),
        ("example.org", "example.org", ""),
        (".example.org", "example.org", ""),
        ("a.m.example.org", "example.org", ""),
        ("mexample.org", "example.org", ""),
        ("m.example.org", "", ""),
        ("[::1]:8000", "example.org", ""),
        ("m.localhost", "localhost", "m"),
    ],
)
def test_deployment_of_host(host: str, domain: str, name: str) -> None:
    assert deployment_of_host(host, domain) == name


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("http://h/a?b", "/a?b"),
        ("https://h:1?b", "/?b"),
        ("http://h", "/"),
        ("/a://b", "/a://b"),
        ("/a?u=http://x/y", "/a?u=http://x/y"),
        ("*", "*"),
    ],
)
def test_to_origin_form(target: str, path: str) -> None:
    assert to_origin_form(target) == path


def test_the_host_wins_where_it_names_a_deployment() -> None:
    known = {"a", "b"}
    assert find_destination("/b/x", "a.d", "d", known) == Destination("a", "/b/x", "")
    assert find_destination("/b/x", "other.d", "d", known) == Destination("b", "/x", "/b")
    assert find_destination("/c/x", "other.d", "d", known) is None


@pytest.mark.parametrize(
    ("ready", "in_flight", "aside", "tried", "chosen"),
    [
        ([], {}, set(), set(), None),
        ([A], {A: 99}, set(), set(), A),
        ([A, B, C], {A: 2, B: 1, C: 2}, set(), set(), B),
        ([A, B, C], {A: 1, B: 0}, set(), set(), B),
        ([A, B], {A: 5}, {B}, set(), A),
        ([A, B], {A: 5}, {A, B}, set(), B),
        ([A, B], {A: 5}, {A}, {B}, A),
        ([A, B], {}, set(), {A, B}, None),
    ],
)
def test_choose_endpoint(
    ready: list[Endpoint], in_flight: dict[Endpoint, int], aside: set[Endpoint], tried: set[Endpoint], chosen: Endpoint
) -> None:
    assert choose_endpoint(ready, in_flight, aside, tried, first) == chosen


def test_equals_share_by_chance() -> None:
    chance = random.Random(1)
    picks = [choose_endpoint([A, B, C], {C: 1}, (), (), chance.choice) for _ in range(200)]
    assert {60 < picks.count(endpoint) < 140 for endpoint in (A, B)} == {True} and C not in picks


def test_replicas_set_aside_come_back() -> None:
    loads = Loads(aside_s=1.0)
    loads.set_aside(A, now=10.0)
    assert A in loads.aside(10.9) and A not in loads.aside(11.1)


def test_loads_forget_idle_replicas() -> None:
    loads = Loads()
    loads.begin(A)
    loads.begin(A)
    loads.end(A)
    assert loads.in_flight == {A: 1}
    loads.end(A)
    assert loads.in_flight == {}


TRACE, SPAN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"


def numbered() -> Callable[[int], str]:
    digits = itertools.cycle("123456789abcdef")
    return lambda length: "".join(next(digits) for _ in range(2 * length))


@pytest.mark.parametrize(
    ("parents", "is_joined"),
    [
        ([b"00-%b-%b-01" % (TRACE, SPAN)], True),
        ([b"00-%b-%b-00" % (TRACE, SPAN)], True),
        ([b"cc-%b-%b-01" % (TRACE, SPAN)], True),
        ([b"cc-%b-%b-01-what-comes" % (TRACE, SPAN)], True),
        ([b"cc-%b-%b-01.what" % (TRACE, SPAN)], False),
        ([b"00-%b-%b-01-more" % (TRACE, SPAN)], False),
        ([b"ff-%b-%b-01" % (TRACE, SPAN)], False),
        ([b"00-%b-%b-01" % (TRACE.upper(), SPAN)], False),
        ([b"00-%b-%b-01" % (b"0" * 32, SPAN)], False),
        ([b"00-%b-%b-01" % (TRACE, b"0" * 16)], False),
        ([b"00-%b-%b" % (TRACE, SPAN)], False),
        ([b"00-%b-%b-01" % (TRACE, SPAN)] * 2, False),
        ([b""], False),
        ([], False),
    ],
)
def test_traces(parents: list[bytes], is_joined: bool) -> None:
    trace = derive_trace(parents, numbered())
    assert bool(trace.parent_id) is is_joined
    version, trace_id, span_id, flags = trace.header.split(b"-")
    assert version == b"00" and len(trace_id) == 32 and len(span_id) == 16
    assert (trace_id == TRACE) is is_joined and span_id != SPAN
    assert flags == (parents[0].split(b"-")[3][:2] if is_joined else b"01")


@pytest.mark.parametrize(
    ("share", "low", "flags"),
    [(0.0, "0", "00"), (0.5, "7", "01"), (0.5, "8", "00"), (1.0, "f", "01")],
)
def test_traces_that_begin_here_are_sampled_by_their_ids(share: float, low: str, flags: str) -> None:
    trace = derive_trace([], lambda length: low * 2 * length, share)
    assert (trace.flags, trace.is_sampled) == (flags, flags == "01")


@pytest.mark.parametrize(("flags", "is_sampled"), [("00", False), ("01", True), ("02", False), ("ff", True)])
def test_a_callers_word_counts(flags: str, is_sampled: bool) -> None:
    trace = derive_trace([b"00-%b-%b-%b" % (TRACE, SPAN, flags.encode())], numbered(), 0.0)
    assert (trace.flags, trace.is_sampled) == (flags, is_sampled)


@pytest.mark.parametrize(
    ("text", "number"),
    [(None, None), ("0", 0), ("12", 12), ("", ...), ("-1", ...), ("1.0", ...), ("٣", ...), ("9" * 11, ...)],
)
def test_read_version(text: str | None, number: object) -> None:
    if number is ...:
        with pytest.raises(Problem) as refused:
            read_version(text)
        assert refused.value.code == "bad-version"
    else:
        assert read_version(text) == number


@given(
    st.lists(st.sampled_from([b"a=1", b"serai_session=x", b" serai_session = y ", b"b=serai_session", b""]), max_size=6)
)
def test_the_session_is_stripped_wherever_it_stands(parts: list[bytes]) -> None:
    kept = strip_session(b";".join(parts))
    assert [part.strip() for part in kept.split(b";") if part.strip()] == [
        part for part in parts if part in (b"a=1", b"b=serai_session")
    ]


def test_header_lines_are_dropped_and_kept() -> None:
    sent = [(b"A", b"1"), (b"Connection", b"close, B"), (b"b", b"2"), (b"X-Serai-Z", b"3"), (b"C", b"4"), (b"A", b"5")]
    assert pass_request(sent, frozenset({b"c"})) == [b"A: 1\r\n", b"A: 5\r\n"]


@pytest.mark.parametrize(
    ("id", "sane"), [("a-1:b", True), ("", False), ("a b", False), ("x" * 129, False), ("a\n", False)]
)
def test_request_ids(id: str, sane: bool) -> None:
    assert is_sane_id(id) is sane


def test_targets_tell_what_changed() -> None:
    targets = Targets()
    one, two = Route("one", "ann", 1, (A,)), Route("two", "ann", 1)
    assert sorted(targets.apply(RouteTable(1, {"one": one, "two": two}))) == ["one", "two"]
    kept = targets.get("one")
    assert targets.apply(RouteTable(2, {"one": Route("one", "ann", 1, (A,)), "two": two})) == []
    assert targets.get("one") is kept
    assert targets.apply(RouteTable(3, {"one": one})) == ["two"]
    assert "two" not in targets and list(targets.addresses()) == [A.address]


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_pauses_grow_to_a_bound(failures: int, chance: float) -> None:
    pause = derive_pause(failures, chance)
    assert 0.05 <= pause <= 3.0
    assert derive_pause(failures + 1, chance) >= pause


def test_places_are_bounded_and_freed() -> None:
    async def scenario() -> None:
        holds = Holds(limit=2)
        waiting = [asyncio.create_task(holds.wait("m", 10)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(HoldFull):
            await holds.wait("m", 10)
        assert not await holds.wait("n", 0.01)
        waiting[0].cancel()
        await asyncio.wait(waiting[:1])
        assert holds.count("m") == 1
        holds.release(["m", "unknown"])
        assert await waiting[1] and holds.count("m") == 0

    asyncio.run(scenario())


def test_a_watch_that_moves_does_not_fire() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        with Watch(Timeouts(idle_s=0.1), loop.time(), loop) as watch:
            for _ in range(8):
                watch.touch()
                await asyncio.sleep(0.03)
            watch.rest()
            await asyncio.sleep(0.15)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (Timeouts(idle_s=0.05), Limit.IDLE),
        (Timeouts(idle_s=0.05, total_s=9), Limit.IDLE),
        (Timeouts(idle_s=9, total_s=0.05), Limit.TOTAL),
        (Timeouts(idle_s=0, total_s=0.05), Limit.TOTAL),
    ],
)
def test_a_watch_names_what_passed(limits: Timeouts, limit: Limit) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        with Watch(limits, loop.time(), loop) as watch:
            watch.await_first_byte()  # 60 s: the earlier limit has to move the timer
            watch.touch()
            await asyncio.sleep(5)

    with pytest.raises(TimedOut) as passed:
        asyncio.run(scenario())
    assert (passed.value.limit, passed.value.limit_s) == (limit, 0.05)
    assert passed.value.problem().code == f"timeout-{limit}"


def test_a_caller_that_leaves_at_the_same_moment_is_not_a_timeout() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        with Watch(Timeouts(total_s=0.02), loop.time(), loop):
            loop.call_at(loop.time() + 0.02, task.cancel)
            await asyncio.sleep(5)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(scenario())


def test_no_limit_passes_never() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        with Watch(Timeouts(0, 0, 0, 0), loop.time(), loop) as watch:
            watch.await_first_byte()
            watch.touch()
            await asyncio.sleep(0.05)

    asyncio.run(scenario())
