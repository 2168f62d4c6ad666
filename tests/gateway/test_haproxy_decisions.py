"""What the HAProxy engine decides without any I/O: states, commands, names, slots, records, configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from serai.domain.deployment import Access, Timeouts
from serai.domain.errors import Invalid
from serai.domain.routes import Endpoint, Grant, Route
from serai.domain.traffic import Limits, Rate
from serai.gateway.choice import choose_engine
from serai.gateway.haproxy.accounts import find_missing
from serai.gateway.haproxy.ending import parse_age, parse_sessions
from serai.gateway.haproxy.ledger import Ledger
from serai.gateway.haproxy.master import has_old, parse_master_pid
from serai.gateway.haproxy.names import parse_server_name, server_name, slot_number
from serai.gateway.haproxy.plan import plan
from serai.gateway.haproxy.program import Finding, Program, is_recent, parse_version
from serai.gateway.haproxy.records import derive_queue, derive_status, parse_line, parse_span
from serai.gateway.haproxy.render import Plan, render
from serai.gateway.haproxy.rules import identify, tell_spans
from serai.gateway.haproxy.runtime import parse_map, parse_servers, parse_stat
from serai.gateway.haproxy.slots import Slots, derive_count
from serai.gateway.haproxy.state import Server, State, derive_state, is_native
from serai.gateway.haproxy.wanted import Wanted

GOLDEN = Path(__file__).parent / "haproxy_golden.cfg"
ONE, TWO = Endpoint("r1", "127.0.0.1:1001", 1), Endpoint("r2", "10.0.0.2:1002", 2)


def route(*endpoints: Endpoint, name: str = "m", version: int | None = 1, **more: Any) -> Route:
    return Route(name, "ann", version, endpoints, **more)


@pytest.mark.parametrize(
    ("version", "replica", "name"),
    [
        (1, "r1", "1.r1"),
        (12, "digits-v12.0", "12.digits-v12.0"),
        (3, "a b/c:d", "3.a:20b:2fc:3ad"),
        (3, "né", "3.n:c3:a9"),
    ],
)
def test_servers_say_who_they_are(version: int, replica: str, name: str) -> None:
    assert server_name(version, replica) == name
    assert parse_server_name(name) == (version, replica)


@pytest.mark.parametrize(("name", "found"), [("rescue", (0, "")), ("<NOSRV>", (0, "")), ("x.y", (0, ""))])
def test_other_servers_are_nobody(name: str, found: tuple[int, str]) -> None:
    assert parse_server_name(name) == found


@pytest.mark.parametrize(("name", "number"), [("p0", 0), ("p63", 63), ("handed", None), ("p", None), ("px", None)])
def test_slots_have_numbers(name: str, number: int | None) -> None:
    assert slot_number(name) == number


@pytest.mark.parametrize(
    ("text", "version", "recent"),
    [
        ("HAProxy version 2.8.25-5cf5d0683 2026/06/26 - https://haproxy.org/", "2.8.25-5cf5d0683", True),
        ("HAProxy version 2.6.12-1+deb12u4 2026/10/17", "2.6.12-1", False),
        ("HAProxy version 3.0.1 2024", "3.0.1", True),
        ("HAProxy version 10.1-dev3", "10.1-dev3", True),
    ],
)
def test_versions(text: str, version: str, recent: bool) -> None:
    assert parse_version(text) == version
    assert is_recent(version) is recent


def test_no_version_in_nonsense() -> None:
    assert parse_version("command not found") is None


PROGRAM = Program(Path("/usr/sbin/haproxy"), "2.8.1", "on PATH")


@pytest.mark.parametrize(
    ("wanted", "program", "name"),
    [
        ("auto", PROGRAM, "haproxy"),
        ("auto", None, "asyncio"),
        ("haproxy", PROGRAM, "haproxy"),
        ("asyncio", PROGRAM, "asyncio"),
    ],
)
def test_engines_are_chosen(wanted: str, program: Program | None, name: str) -> None:
    choice = choose_engine(wanted, Finding(program, "" if program else "it is not here"))
    assert choice.name == name and (choice.program is None) is (name == "asyncio") and choice.why


def test_an_engine_that_is_demanded_and_missing() -> None:
    with pytest.raises(Invalid, match="it is not here; install one, or set gateway_engine to auto"):
        choose_engine("haproxy", Finding(None, "it is not here"))


@pytest.mark.parametrize(
    ("timeouts", "addresses", "native"),
    [
        (Timeouts(), ["127.0.0.1:80"], True),
        (Timeouts(), ["[::1]:80"], True),
        (Timeouts(), [], True),
        (Timeouts(), ["node-1:80"], False),
        (Timeouts(), ["127.0.0.1:0"], False),
        (Timeouts(total_s=1), ["127.0.0.1:80"], False),
        (Timeouts(connect_s=2), ["127.0.0.1:80"], False),
        (Timeouts(first_byte_s=300), ["127.0.0.1:80"], False),
        (Timeouts(idle_s=10), ["127.0.0.1:80"], False),
        (Timeouts(0, 0, 0, 0), ["127.0.0.1:80"], False),
    ],
)
def test_what_haproxy_does_exactly(timeouts: Timeouts, addresses: list[str], native: bool) -> None:
    endpoints = [Endpoint(f"r{number}", address, 1) for number, address in enumerate(addresses)]
    assert is_native(route(*endpoints, timeouts=timeouts)) is native


@pytest.mark.parametrize(
    ("more", "row", "native"),
    [
        ({"limits": Limits(per_key=Rate(100))}, "p0:k:1:100:0:0", True),
        ({"limits": Limits(per_client=Rate(5, 60))}, "p0:k:0:0:60:5", True),
        ({"limits": Limits(per_key=Rate(2, 10), per_client=Rate(7, 3600))}, "p0:k:10:2:3600:7", True),
        ({"limits": Limits(per_key=Rate(100, 2))}, "handed:k:2:100:0:0", False),
        ({"limits": Limits(per_client=Rate(1))}, "handed:k:0:0:1:1", False),
        ({"key_header": "x-api-key"}, "p0:x", True),
        ({"key_header": "x-other"}, "handed:x", False),
        ({"key_header": "x-other", "access": Access.PUBLIC}, "p0:p", True),
    ],
)
def test_which_limits_and_headers_haproxy_knows(more: dict[str, Any], row: str, native: bool) -> None:
    given = route(ONE, **({"access": Access.KEYS} | more))
    assert is_native(given) is native
    assert derive_state(given, "p0").rows == {"m": row}


@pytest.mark.parametrize(("access", "backend"), [(Access.KEYS, "handed"), (Access.PUBLIC, "p0")])
def test_keys_that_are_not_trusted_are_handed_over(access: Access, backend: str) -> None:
    state = derive_state(route(ONE, access=access), "p0", is_trusting=False)
    assert state.rows["m"].partition(":")[0] == backend and list(state.servers) == ["p0/1.r1"]


@pytest.mark.parametrize(
    ("given", "slot", "row", "servers"),
    [
        (route(ONE, TWO), "p3", "p3:p", {"p3/1.r1": Server("127.0.0.1:1001")}),
        (route(ONE, TWO, version=2), "p3", "p3:p", {"p3/2.r2": Server("10.0.0.2:1002")}),
        (route(ONE, version=7), "p3", "handed:p", {}),
        (route(Endpoint("r", "1.1.1.1:1", 1, draining=True)), "p3", "handed:p", {}),
        (route(ONE), None, "handed:p", {}),
        (route(ONE, timeouts=Timeouts(total_s=5)), "p3", "handed:p", {}),
        (route(ONE, access=Access.KEYS), "p3", "p3:k", {"p3/1.r1": Server("127.0.0.1:1001")}),
        (route(access=Access.KEYS), "p3", "handed:k", {}),
    ],
)
def test_states_of_routes(given: Route, slot: str | None, row: str, servers: dict[str, Server]) -> None:
    assert derive_state(given, slot) == State({"m": row}, {}, {}, servers)


def test_grants_end_at_the_first_whole_second_they_are_not_valid_at() -> None:
    grants = (Grant("aa", "k1", 10.2), Grant("bb", "k2", 10.0), Grant("cc", "k3"), Grant("dd", "@k4"))
    state = derive_state(route(ONE, access=Access.KEYS, grants=grants), "p0")
    assert state.grants == {"aa/m": "@11:k1", "bb/m": "@10:k2", "cc/m": "k3", "dd/m": "@9999999999:@k4"}
    assert state.keys == {"aa": "11", "bb": "10", "cc": "9999999999", "dd": "9999999999"}


def full(address: str = "1.1.1.1:1", row: str = "p0:k") -> State:
    return State({"m": row}, {"aa/m": "9:k"}, {"aa": "9"}, {"p0/1.r1": Server(address)})


@pytest.mark.parametrize(
    ("known", "wanted", "commands"),
    [
        (State(), State(), []),
        (full(), full(), []),
        (
            State(),
            full(),
            [
                "add server p0/1.r1 1.1.1.1:1",
                "enable health p0/1.r1",
                "set server p0/1.r1 state ready",
                "add map maps/keys.map aa 9",
                "add map maps/grants.map aa/m 9:k",
                "add map maps/rows.map m p0:k",
            ],
        ),
        (
            full(),
            State(),
            [
                "del map maps/grants.map aa/m",
                "del map maps/keys.map aa",
                "del map maps/rows.map m",
                "set server p0/1.r1 state drain",
            ],
        ),
        (
            full(),
            full("[::2]:3"),
            ["set server p0/1.r1 addr ::2 port 3"],
        ),
        (full(), full(row="p0:p"), ["set map maps/rows.map m p0:p"]),
        (
            State(servers={"p0/1.r1": Server("1.1.1.1:1", is_draining=True)}),
            State(servers={"p0/1.r1": Server("1.1.1.1:1")}),
            ["set server p0/1.r1 state ready"],
        ),
        (
            State(rows={"m": "p0:p"}, servers={"p0/1.r1": Server("1.1.1.1:1")}),
            State(rows={"m": "p0:p"}, servers={"p0/2.r2": Server("1.1.1.1:2")}),
            [
                "add server p0/2.r2 1.1.1.1:2",
                "enable health p0/2.r2",
                "set server p0/2.r2 state ready",
                "set server p0/1.r1 state drain",
            ],
        ),
        (State(servers={"p0/1.r1": Server("1.1.1.1:1", is_draining=True)}), State(), []),
    ],
)
def test_commands(known: State, wanted: State, commands: list[str]) -> None:
    found = [" ".join(line.split()[:4]) if line.startswith("add server") else line for line in plan(known, wanted)]
    assert found == commands


def test_a_deployment_keeps_its_slot_and_gives_back_an_empty_one() -> None:
    slots = Slots(2)
    assert (slots.take("a"), slots.take("b"), slots.take("c"), slots.take("a")) == ("p0", "p1", None, "p0")
    slots.give_back("a")
    slots.settle({"p0"})
    assert slots.take("c") is None
    slots.settle(set())
    assert slots.take("c") == "p0" and slots.owners() == {"p0": "c", "p1": "b"}
    slots.grow(4)
    assert [slots.take(name) for name in ("d", "e", "f")] == ["p2", "p3", None]


@pytest.mark.parametrize(
    ("deployments", "slots"), [(0, 64), (1, 64), (32, 64), (33, 128), (500, 1024), (1000, 2048), (1024, 2048)]
)
def test_room_for_twice_as_many(deployments: int, slots: int) -> None:
    assert derive_count(deployments) == slots


def test_wanted_is_the_sum_of_its_routes() -> None:
    wanted = Wanted(Slots(8))
    key, other = Grant("aa", "k1", 5.0), Grant("aa", "k1", 9.0)
    wanted.take({"m": route(ONE, access=Access.KEYS, grants=(key,)), "n": route(TWO, name="n", version=2)})
    wanted.take({"o": route(name="o", access=Access.KEYS, grants=(other,))})
    assert wanted.rows == {"m": "p0:k", "n": "p1:p", "o": "handed:k"}
    assert wanted.keys == {"aa": "9"}  # known for as long as any deployment grants it
    touched = wanted.take({"o": None})
    assert wanted.keys == {"aa": "5"} and touched.of(wanted.state).keys == {"aa": "5"}
    wanted.take({"m": None, "n": None})
    assert wanted.state == State()


LINE = (
    b"1700000000000000 25000 24000 3 155 150 119 107 "
    b"0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331/00f067aa0ba902b7 k1 m/p0/2.r2/200/--/42"
)


def test_a_record_from_a_line() -> None:
    line = parse_line(LINE)
    assert line is not None and line.record is not None
    record = line.record
    assert (line.worker, line.backend, line.hundreds, line.ended_us) == (42, b"p0", 2, 1700000000025000)
    assert (record.deployment, record.version, record.replica, record.status) == ("m", 2, "r2", 200)
    assert (record.total_s, record.first_byte_s, record.queue_s) == (0.025, 0.024, 0.003)
    assert (record.bytes_in, record.bytes_out, record.key_id) == (5, 12, "k1")
    assert (record.trace_id, record.span_id) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert record.parent_id == "00f067aa0ba902b7" and record.at == 1700000000.025


@pytest.mark.parametrize(
    ("line", "is_kept"),
    [
        (LINE, True),
        (LINE.replace(b"/2.r2/", b"/rescue/"), False),
        (LINE.replace(b"/p0/2.r2/", b"/handed/handed/"), False),
        (LINE.replace(b"/p0/2.r2/200/--", b"/handed/handed/503/SC"), True),  # it was never reached
        (LINE.replace(b"/p0/2.r2/200/--", b"/handed/handed/502/SH"), True),  # older than who should have it
        (LINE.replace(b"17000", b"19000").replace(b"/p0/2.r2/200/--", b"/handed/handed/502/SH"), False),
    ],
)
def test_who_has_the_record(line: bytes, is_kept: bool) -> None:
    parsed = parse_line(line, since_us=1800000000000000)
    assert parsed is not None and (parsed.record is not None) is is_kept


@pytest.mark.parametrize("line", [b"", b"nonsense", LINE.replace(b" m/", b" -/"), LINE + b" and more"])
def test_lines_of_nobody(line: bytes) -> None:
    assert parse_line(line) is None


TOLD = LINE + b" POST,https,2.0,%2Fm%2Fa%2520b%2Cc"


def test_a_span_from_a_line() -> None:
    span = parse_span(TOLD)
    assert span is not None
    assert (span.method, span.scheme, span.protocol, span.path) == ("POST", "https", "2.0", "/m/a%20b,c")
    assert (span.deployment, span.version, span.replica, span.status) == ("m", 2, "r2", 200)
    assert (span.started_at, span.total_s, span.bytes_in, span.key_id) == (1700000000.0, 0.025, 5, "k1")
    assert (span.trace_id, span.span_id) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert parse_line(TOLD) == parse_line(LINE)  # the record is the same


@pytest.mark.parametrize(
    "line",
    [
        LINE,
        LINE + b" -",
        LINE + b" POST,https,2.0",
        TOLD.replace(b"/2.r2/", b"/rescue/"),
        TOLD.replace(b" m/", b" -/"),
    ],
)
def test_lines_without_a_span(line: bytes) -> None:
    assert parse_span(line) is None


def test_times_of_a_clock_that_was_set_back_are_none() -> None:
    span = parse_span(TOLD.replace(b" 25000 24000 ", b" -25000 -24000 "))
    assert span is not None and (span.total_s, span.first_byte_s) == (0, 0)


@pytest.mark.parametrize(
    ("share", "flags"),
    [(None, []), (0, ["00"]), (1, []), (0.01, ["00", "01 10000"]), (1e-9, ["00"])],
)
def test_how_traces_are_sampled(share: float | None, flags: list[str]) -> None:
    rules = [rule for rule in identify(share) if "(txn.flags)" in rule]
    for rule, expected in zip(rules, flags, strict=True):  # the last one that holds stands; without any it is 01
        flag, _, parts = expected.partition(" ")
        assert f" str({flag})" in rule and (f"rand(1000000) lt {parts}" in rule if parts else "rand" not in rule)
    assert any("txn.told" in rule for rule in tell_spans(share)) is (share is not None)


def test_a_request_that_reached_no_replica() -> None:
    line = parse_line(LINE.replace(b"2.r2/200/--", b"2.r2/503/SC").replace(b" 24000 3 ", b" - -1 "))
    assert line is not None and line.record is not None
    assert (line.record.version, line.record.replica, line.record.status) == (0, "", 503)
    assert (line.record.first_byte_s, line.record.queue_s) == (None, 0.025)


@pytest.mark.parametrize(
    ("status", "ended", "kept"),
    [
        (200, "--", 200),
        (401, "PR", 401),
        (200, "CD", 499),
        (400, "CH", 499),
        (101, "CD", 101),
        (101, "SD", 101),
        (101, "sD", 504),
        (200, "cD", 504),
        (200, "SD", 502),
        (502, "SH", 502),
        (504, "sH", 504),
        (503, "SC", 503),
        (200, "KD", 503),
        (-1, "--", 502),
    ],
)
def test_statuses(status: int, ended: str, kept: int) -> None:
    assert derive_status(status, ended) == kept


@pytest.mark.parametrize(
    ("wait_ms", "total_us", "first_us", "queue_s"),
    [(0, 10, b"5", 0.0), (3, 5000, b"2500", 0.0025), (-1, 4000, b"-", 0.004), (2, 9000, b"-", 0.002)],
)
def test_the_queue_is_never_longer_than_the_rest(wait_ms: int, total_us: int, first_us: bytes, queue_s: float) -> None:
    assert derive_queue(wait_ms, total_us, first_us) == pytest.approx(queue_s)


def test_answers_of_haproxy_are_read() -> None:
    assert parse_map("0x1 m p0:p\n0x2 n handed:k\n") == {"m": "p0:p", "n": "handed:k"}
    names = "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_port"
    text = f"1\n{names}\n3 p0 1 rescue - 2 0 0\n3 p0 2 1.r1 127.0.0.1 2 0 80\n3 p0 3 2.r2 ::1 2 8 81\n"
    assert parse_servers(text) == {"p0/1.r1": Server("127.0.0.1:80"), "p0/2.r2": Server("[::1]:81", True)}
    assert parse_servers("1\n") == {}
    assert parse_stat("# pxname,svname,scur\np0,BACKEND,3\n") == [{"pxname": "p0", "svname": "BACKEND", "scur": "3"}]
    processes = "#<PID> <type>\n12 master 0\n# workers\n13 worker 0\n# old workers\n9 worker 1\n# programs\n"
    assert parse_master_pid(processes) == 12 and has_old(processes)
    assert not has_old(processes.replace("# old workers\n9 worker 1\n", "")) and parse_master_pid("") == 0


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("59s", 59), ("1m02s", 62), ("2h3m", 7380), ("1d1h", 90000)])
def test_ages(text: str, seconds: float) -> None:
    assert parse_age(text) == seconds


def test_sessions_that_are_cut_are_on_record() -> None:
    text = (
        "0x1: proto=tcpv4 src=1.2.3.4:5 fe=callers be=p0 srv=1.r1 ts=00 age=3s calls=4\n"
        "0x2: proto=tcpv4 src=1.2.3.4:5 fe=callers be=handed srv=handed ts=00 age=3s\n"
        "0x3: proto=tcpv4 src=1.2.3.4:5 fe=callers be=p0 srv=<none> ts=00 age=3s\n"
        "0x4: proto=unix_stream src=unix:1 fe=GLOBAL be=<NONE> srv=<none> age=0s\n"
    )
    (record,) = parse_sessions(text, {"p0": "m"}, 100.0)
    assert (record.deployment, record.version, record.replica, record.status, record.total_s) == ("m", 1, "r1", 503, 3)


def test_the_ledger_is_there_for_the_next(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "ledger")
    first.begin(7)
    first.add(3, 2)
    first.add(3, 2, 4)
    first.add(3, 9)  # no status of HTTP
    second = Ledger(tmp_path / "ledger")  # as after a kill
    second.begin(7)
    assert (second.get(3, 2), second.get(3, 0), second.get(3, 5)) == (5, 1, 0)
    second.begin(8)
    assert second.get(3, 2) == 0
    with pytest.raises(ValueError, match="beyond"):
        second.add(70000, 2)
    first.close()
    second.close()


def test_what_is_missing_is_what_haproxy_alone_has_counted() -> None:
    counts = {"hrsp_1xx": "0", "hrsp_3xx": "", "hrsp_4xx": "2", "hrsp_5xx": "0", "hrsp_other": "1", "ttime": "250"}
    rows = [
        {"pxname": "p4", "hrsp_2xx": "100", **counts},
        {"pxname": "handed", "hrsp_2xx": "9", **counts},
    ]
    entered = {(4, 2): 95, (4, 4): 3, (4, 0): 0}
    late = {(4, 2): 5, (4, 4): 1}
    found = list(find_missing(rows, lambda slot, hundreds: entered.get((slot, hundreds), 0), late))
    assert found == [(4, 0, 1, 0.25), (4, 2, 10, 0.25)]


def test_the_configuration_is_as_it_was_reviewed() -> None:
    """Changed on purpose? Look at the difference, and write the new text: `python -m tests.gateway.haproxy_golden`."""
    assert (
        render(Plan("127.0.0.1", 8000, "models.test", 2, 4), {"p1/1.r1": Server("127.0.0.1:81")}) == GOLDEN.read_text()
    )


def test_digests_tell_configurations_apart_and_not_servers() -> None:
    one = Plan("127.0.0.1", 8000, "", 2, 4)
    assert one.digest == Plan("127.0.0.1", 8000, "", 2, 4).digest
    assert len({one.digest, Plan("::1", 8000, "", 2, 4).digest, Plan("127.0.0.1", 8000, "", 3, 4).digest}) == 3
    assert f"serai-{one.digest}" in render(one, {}) and f"serai-{one.digest}" in render(one, {"p0/1.r": Server("1:1")})
    assert Plan("127.0.0.1", 8000, "", 2, 4, trace_share=0.0).digest != one.digest
    assert "bind [::1]:8000" in render(Plan("::1", 8000, "", 1, 1), {})
