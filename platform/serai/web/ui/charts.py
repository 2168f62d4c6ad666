"""Small drawings as SVG, made on the server: lines of an hour, bars, meters. No script, no library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup, escape

Values = Sequence[float | None]


def make_line(values: Values, label: str, width: int = 120, height: int = 24, top: float | None = None) -> Markup:
    """Return a line over equal steps. None is a gap, never zero; `label` is what a screen reader says."""
    body = Markup("").join(_polyline(run, "line") for run in _runs(values, width, height, top))
    return _frame(body, label, width, height, "spark")


def make_bars(values: Values, label: str, width: int = 120, height: int = 24) -> Markup:
    """Return a bar for each value, from the bottom."""
    top = max((value for value in values if value), default=0.0)
    step = width / max(1, len(values))
    bars = Markup("").join(
        Markup('<rect class="bar" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}"/>').format(
            index * step + step * 0.1, height - value / top * height, step * 0.8, value / top * height
        )
        for index, value in enumerate(values)
        if value and top
    )
    return _frame(bars, label, width, height, "spark")


def make_lines(named: Sequence[tuple[str, Values]], label: str, width: int = 600, height: int = 120) -> Markup:
    """Return several lines on one scale; each gets the class `line-<name>`."""
    top = max((value for _, values in named for value in values if value is not None), default=0.0)
    body = Markup("").join(
        _polyline(run, f"line line-{name}") for name, values in named for run in _runs(values, width, height, top)
    )
    return _frame(body, label, width, height, "plot")


def make_meter(fraction: float | None, label: str) -> Markup:
    """Return a thin bar filled to `fraction` (0 to 1); an unknown one stays empty."""
    filled = 0.0 if fraction is None else min(1.0, max(0.0, fraction)) * 100
    body = Markup('<rect class="meter-fill" width="{:.1f}" height="4"/>').format(filled)
    return _frame(body, label, 100, 4, "meter")


def make_share(part: float, whole: float, label: str) -> Markup:
    """Return a meter of `part` of `whole`."""
    return make_meter(part / whole if whole else None, label)


def _frame(body: Markup, label: str, width: int, height: int, css: str) -> Markup:
    return Markup(
        '<svg class="{}" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    ).format(css, width, height, escape(label), body)


def _polyline(points: Sequence[tuple[float, float]], css: str) -> Markup:
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    css += " point" if points[0] == points[-1] else ""
    return Markup('<polyline class="{}" points="{}"/>').format(css, text)


def _runs(values: Values, width: int, height: int, top: float | None) -> Iterator[list[tuple[float, float]]]:
    """Yield the points of each stretch without a gap, in the middle of their steps as bars are; a lone one twice."""
    highest = top or max((value for value in values if value is not None), default=0.0) or 1.0
    step = width / max(1, len(values))
    run: list[tuple[float, float]] = []
    for index, value in enumerate([*values, None]):
        if value is not None:
            run.append(((index + 0.5) * step, height - 1 - value / highest * (height - 2)))
        elif run:
            yield run if len(run) > 1 else run * 2
            run = []
