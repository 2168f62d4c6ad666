"""What is cut out of spans by a pattern is what is read of each by itself, however they are written."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from serai.domain import attributes as names
from serai.domain.window import Window
from serai.telemetry.span_decoding import sort_spans
from serai.telemetry.span_facts import LIMIT_US
from serai.telemetry.span_groups import Malformed
from serai.telemetry.span_intake import Refused, Sender, SpanIntake
from serai.telemetry.span_shape import Shape
from serai.telemetry.span_shapes import Shapes
from tests.telemetry.otlp_spans import NOW, SERVER, make_attributes, make_span

MANY = 32  # as many as are learned from
TEXTS = ("/", "/predict", "x" * 90, "J\x1e\n\x11serai.clock.queue", "€", "")
VALUES: dict[str, Sequence[object]] = {
    names.DEPLOYMENT: ("digits",),
    names.GATEWAY: ("edge",),
    names.VERSION: (1, 2, "1"),
    names.REPLICA: ("a", "bb", ""),
    names.STATUS_CODE: (0, 200, 404, 600),
    names.CLOCK_FIRST_BYTE: (0.0, 0.5, -1.0, float("nan"), float("inf"), 1e300),
    names.CLOCK_QUEUE: (0.25, 1e-7, 3.5),
    names.REQUEST_BYTES: (0, 1, 127, 128, 2**34),
    names.RESPONSE_BYTES: (5, 300),
    # Keys of attributes that mean nothing, some as long as those that do.
    **dict.fromkeys(("url.path", "k", names.CLOCK_TOTAL, "another.key.16.b", "http.request.body.type"), TEXTS),
}
QUEUE = Span(attributes=make_attributes({names.CLOCK_QUEUE: 0.25})).SerializeToString()


class NoShapes(Shapes):
    """Knows nothing and learns nothing: each span is read by itself."""

    def find(self, spans: Sequence[bytes]) -> Shape | None:
        return None


def encode_varint(number: int) -> bytes:
    parts = [number >> shift & 0x7F for shift in range(0, max(number.bit_length(), 1), 7)]
    return bytes([*(part | 0x80 for part in parts[:-1]), parts[-1]])


def make_body(spans: Sequence[bytes]) -> bytes:
    scope = b"".join(b"\x12" + encode_varint(len(span)) + span for span in spans)
    of_resource = b"\x12" + encode_varint(len(scope)) + scope
    return b"\x0a" + encode_varint(len(of_resource)) + of_resource


def bound(time_us: int) -> int:
    """Return a time as a digest counts it."""
    return min(max(time_us, 0), LIMIT_US)


def read(spans: Sequence[bytes], shapes: Shapes) -> object:
    """Return all that is taken of spans, in no order; None where they are refused."""
    try:
        sorter = sort_spans(make_body(spans), is_json=False, shapes=shapes)
    except Malformed:
        return None
    groups = [
        (
            repr((group.facts, group.start, group.is_request, group.count, group.bytes_in, group.bytes_out)),
            *(sorted(map(bound, each)) for each in (group.totals_us, group.firsts_us, group.queues_us)),
            sorted(group.ids),
            sorted(group.spans),
        )
        for group in sorter.groups()
        if group.count
    ]
    return sorted(groups), sorter.nameless


def make_like_spans(chance: random.Random, many: int = MANY) -> list[bytes]:
    """Return spans that have the same attributes in the same order, with different values."""
    keys = [key for key in VALUES if chance.random() < 0.8]
    order = chance.sample(keys, len(keys))
    kind = chance.choice([SERVER, SERVER, Span.SPAN_KIND_CLIENT])
    flags = chance.choice([0, 0x101])
    return [make_like_span(chance, number, kind, order, flags) for number in range(1, many + 1)]


def make_like_span(chance: random.Random, number: int, kind: int, keys: Sequence[str], flags: int = 0) -> bytes:
    ended_ns = int((NOW - 15 * chance.random()) * 1e9)
    return Span(
        trace_id=(7 << 64 | number).to_bytes(16),
        span_id=number.to_bytes(8),
        name=chance.choice(("GET", "POST digits")),
        kind=kind,  # type: ignore[arg-type]
        start_time_unix_nano=ended_ns - chance.randrange(-10, 10**10),
        end_time_unix_nano=ended_ns,
        attributes=make_attributes({key: chance.choice(VALUES[key]) for key in keys}),
        flags=flags,
    ).SerializeToString()


def learn(spans: Sequence[bytes]) -> Shapes:
    """Return shapes that know these spans."""
    shapes = Shapes()
    shape = shapes.find(spans)
    assert shape is not None
    assert shape.read(spans)[2] == ()
    return shapes


@settings(max_examples=40)
@given(st.integers(0, 2**64).map(random.Random))
def test_what_a_pattern_cuts_out_is_what_is_read_span_by_span(chance: random.Random) -> None:
    spans = make_like_spans(chance)
    shapes = learn(spans)
    expected = read(spans, NoShapes())
    assert expected is not None
    assert read(spans, shapes) == expected
    others = make_like_spans(chance, MANY // 2)
    mixed = chance.sample([*spans, *others], MANY * 3 // 2)
    assert read(mixed, shapes) == read(mixed, NoShapes())


def damage(raw: bytes, chance: random.Random) -> bytes:
    """Return a span with something put in, taken out, doubled or changed, where it hurts as well."""
    at, size = chance.randrange(len(raw)), chance.choice([1, 1, 2, 9, 24])
    heads = [place for place in range(len(raw)) if raw[place] in b"\x0a\x12\x18\x21\x30\x39\x41\x4a"]
    if chance.random() < 0.5:
        at = chance.choice(heads) + chance.randrange(2)
    match chance.randrange(6):
        case 0:
            return raw[:at] + chance.randbytes(1) + raw[at + 1 :]
        case 1:
            return raw[:at] + bytes([raw[at % len(raw)] ^ 1 << chance.randrange(8)]) + raw[at + 1 :]
        case 2:
            return raw[:at] + raw[at + size :]
        case 3:
            return raw[: at + size] + raw[at:]
        case 4:
            return (
                raw[:at] + chance.choice([b"\x0a\x01k", b"\x12\x00", b"\x4a\x00", b"\x30\x01", b"\x80\x00"]) + raw[at:]
            )
        case _:  # as long as before: a length is given to another part
            other = chance.choice(heads) + 1
            moved = bytearray(raw + b"\0")
            moved[at], moved[other] = (moved[at] + 1) % 256, (moved[other] - 1) % 256
            return bytes(moved[:-1])


@settings(max_examples=60)
@given(st.integers(0, 2**64).map(random.Random))
def test_a_damaged_span_means_what_it_means_by_itself(chance: random.Random) -> None:
    spans = make_like_spans(chance)
    shapes = learn(spans)
    for _ in range(12):
        place = chance.randrange(MANY)
        hurt = [*spans[:place], damage(spans[place], chance), *spans[place + 1 :]]
        assert read(hurt, shapes) == read(hurt, NoShapes())


def test_longer_values_are_learned_with_the_shorter_ones() -> None:
    shapes = Shapes()
    spans = [
        [make_span(n, url__path="p" * (n % 4 + most)).SerializeToString() for n in range(20)] for most in (3, 90, 300)
    ]
    found = [shapes.find(each) for each in spans]
    assert all(found)
    assert found[-1] is not None
    assert [found[-1].read(each)[2] for each in spans] == [(), (), ()]
    assert len({id(shape) for shape in found}) == 3
    assert shapes.find(spans[0]) is found[-1]


def test_no_more_is_learned_than_there_are_spans_to_gain_by_it() -> None:
    shapes = Shapes()
    kinds = [[make_span(n, **{"k" * kind: 1}).SerializeToString() for n in range(1, 21)] for kind in range(7, 47)]
    assert [shapes.find(spans) is not None for spans in kinds[:6]] == [True] * 4 + [False] * 2
    assert shapes.find(kinds[4] * 25) is not None
    assert all(shapes.find(spans * 25) for spans in kinds)
    assert shapes.find(kinds[0]) is None  # forgotten
    assert shapes.find(kinds[39]) is not None


UNUSUAL = {
    "too few": [make_span(n).SerializeToString() for n in range(1, 16)],
    "long values": [make_span(n, url__path="x" * 512).SerializeToString() for n in range(1, 41)],
    "many attributes": [make_span(n, **{f"k{k}": n for k in range(1100)}).SerializeToString() for n in range(1, 17)],
    "lengths of any kind": [
        make_span(n, a="x" * (n % 3 * 250), b="x" * (n % 3 * 250), c="x" * (n % 3 * 250)).SerializeToString()
        for n in range(1, 41)
    ],
    "a number twice": [make_span(n, serai__clock__queue=0.5).SerializeToString() + QUEUE for n in range(1, 41)],
    "no kind": [make_span(n, kind=0).SerializeToString() for n in range(1, 41)],
    "a clock in whole seconds": [make_span(n, serai__clock__queue=1).SerializeToString() for n in range(1, 41)],
    "a field number of 0": [make_span(n).SerializeToString() + b"\x02\x00" for n in range(1, 41)],
    "a group": [make_span(n).SerializeToString() + b"\xa3\x06\xa4\x06" for n in range(1, 41)],
    "cut off": [make_span(n).SerializeToString()[:-1] for n in range(1, 41)],
    "an id at the end": [make_span(n).SerializeToString()[18:] + b"\x0a\x10" + bytes(16) for n in range(1, 41)],
    "short ids": [b"\x0a\x01a" + make_span(n).SerializeToString()[18:] for n in range(1, 41)],
}


@pytest.mark.parametrize("spans", UNUSUAL.values(), ids=list(UNUSUAL))
def test_no_pattern_is_made_of_what_is_few_or_in_an_unusual_form(spans: list[bytes]) -> None:
    assert Shapes().find(spans) is None


def test_a_batch_that_is_read_otherwise_when_it_comes_again_is_the_same_batch() -> None:
    stored: list[Window] = []
    chance = random.Random(1)
    spans = [
        raw
        for number in range(1, 80, 2)
        for raw in (
            make_span(number, NOW - number % 3 * 10, serai__replica="a").SerializeToString(),
            make_span(number + 1, NOW - number % 3 * 10, serai__clock__queue=chance.random()).SerializeToString(),
        )
    ]

    def take_windows(windows: Sequence[Window]) -> int:
        stored.extend(windows)
        return len(windows)

    intake = SpanIntake(take_windows, {"digits": {1}}.get, lambda: NOW, "otlp-1")
    for shapes in (NoShapes(), Shapes()):
        sorter = sort_spans(make_body(spans), is_json=False, shapes=shapes)
        assert intake.take(sorter, Sender("ci", lambda _: True)) == Refused(0, "")
        assert len(stored) == 3
