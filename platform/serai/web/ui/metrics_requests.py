"""Requests as charts: counts as bars, times as curves; all of them together, or each replica's for itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from serai.domain.window import Clock
from serai.store.metrics import RequestMetrics
from serai.store.metrics_answer import PERCENTILES, Times
from serai.store.usage_answer import Values

from .metrics_choice import CLOCK_WORDS, Choice
from .metrics_curves import Chart, Curve

_HUES = 8
_STATUS_LOOKS = {"1xx": (6, 4), "2xx": (0, 0), "3xx": (4, 1), "4xx": (1, 2), "5xx": (7, 3)}
"""Colour and pattern by status class: what failed is striking, whatever else occurs."""

_OTHER_LOOKS = (3, 5)

Curves = tuple[Curve, ...]
Read = Callable[[Times], float | None]


def _read_percentile(place: int) -> Read:
    return lambda one: None if one.percentiles is None else one.percentiles[place]


READS: Mapping[str, Read] = {
    "avg": lambda one: one.avg_s,
    "max": lambda one: one.max_s,
    **{f"p{percent}": _read_percentile(place) for place, percent in enumerate(PERCENTILES)},
}
"""How each curve of times is read, in the order of a legend."""


def make_request_charts(
    found: RequestMetrics, by_status: Mapping[str, Sequence[int]], clock: Clock = Clock.TOTAL
) -> list[Chart]:
    """Return the counts by status class on top of each other, and the times of all requests together."""
    # The greatest flattens all others: it is there, and shown when it is asked for.
    times = tuple(
        Curve(name, read_times(found, clock, name), hue, hue % 4, shown=name != "max") for hue, name in enumerate(READS)
    )
    counts = tuple(
        Curve(name, tuple(map(float, one)), *_STATUS_LOOKS.get(name, _OTHER_LOOKS)) for name, one in by_status.items()
    )
    received = Curve("received", _read_sizes(found, lambda one: one.bytes_in), 2)
    sent = Curve("sent", _read_sizes(found, lambda one: one.bytes_out), 4, 1)
    return _charts(counts, title_times(clock), times, (received, sent))


def make_split_charts(found: Mapping[str, RequestMetrics], choice: Choice) -> list[Chart]:
    """Return counts by replica on top of each other, and one curve of times for each; by the names to show."""
    counts = tuple(Curve(name, read_counts(one), hue, hue) for hue, (name, one) in enumerate(found.items()))
    times = make_named_curves(found, choice.clock, choice.measure)
    title = f"{title_times(choice.clock)}, {choice.measure} of each replica"
    sizes = (
        Curve(name, _read_sizes(one, lambda times: times.bytes_in + times.bytes_out), hue, hue)
        for hue, (name, one) in enumerate(found.items())
    )
    return _charts(counts, title, times, tuple(sizes))


def _charts(counts: Curves, title: str, times: Curves, sizes: Curves) -> list[Chart]:
    """Return the charts; none of bodies where no body had a byte: gateways of older releases do not tell."""
    charts = [Chart("count", "Requests", "requests", counts, "bars"), Chart("time", title, "seconds", times)]
    is_told = any(value for curve in sizes for value in curve.values)
    return charts + ([Chart("size", "Bodies", "bytes", sizes, "bars")] if is_told else [])


def _read_sizes(found: RequestMetrics, read: Callable[[Times], int]) -> Values:
    return tuple(float(read(clocks[Clock.TOTAL])) for _, clocks in found.buckets)


def make_named_curves(found: Mapping[str, RequestMetrics], clock: Clock, measure: str) -> tuple[Curve, ...]:
    """Return one curve for each name; those that share a colour have another pattern."""
    return tuple(
        Curve(name, read_times(one, clock, measure), hue, hue // _HUES) for hue, (name, one) in enumerate(found.items())
    )


def read_counts(found: RequestMetrics) -> Values:
    return tuple(float(clocks[Clock.TOTAL].count) for _, clocks in found.buckets)


def read_times(found: RequestMetrics, clock: Clock, measure: str) -> Values:
    return tuple(READS[measure](clocks[clock]) for _, clocks in found.buckets)


def title_times(clock: Clock) -> str:
    return "Time" if clock is Clock.TOTAL else f"Time {CLOCK_WORDS[clock]}"
