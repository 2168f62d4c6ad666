"""Wait until a version is where it should be, showing how far it is: a live view on a terminal, else lines."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import click

from serai.domain.quantity import format_duration

from .output import Output, paint_state
from .session import Session
from .steps import STEPS, Journey
from .target import Target
from .words import clean

if TYPE_CHECKING:
    from rich.console import RenderableType

# States at which a start, or a stop, has come to its end.
STARTED = frozenset({"running", "error", "stopped"})
ENDED = frozenset({"stopped", "error"})


def wait_for(session: Session, target: Target, states: frozenset[str], timeout_s: float | None) -> Mapping[str, Any]:
    """Return the version (`target` names one) once its state is one of `states`, or as it is after `timeout_s`."""
    from serai.client.watch import watch_version

    begun_s = time.monotonic()
    journey = Journey()
    version: Mapping[str, Any] = {}
    try:
        with _make_view(session.out, target, journey) as view:
            for version in watch_version(session.client, target.name, target.version or 0, timeout_s):
                if journey.take(version, time.monotonic() - begun_s):
                    view.show()
                if version["state"] in states:
                    break
    except KeyboardInterrupt:
        session.out.warn(f"{target} goes on without being waited for; see `serai status {target.name}`.")
        raise
    return version


class View(Protocol):
    def show(self) -> None:
        """Show that something changed."""


class _Lines:
    """A line for each change; with --json a record."""

    def __init__(self, out: Output, target: Target, journey: Journey) -> None:
        self._out, self._label, self._journey = out, str(target), journey
        self._begun_s = time.monotonic()

    def show(self) -> None:
        if self._out.as_json:
            self._out.warn(_compact(self._label, self._journey, time.monotonic() - self._begun_s))
        else:
            self._out.say(_compact(self._label, self._journey, time.monotonic() - self._begun_s))


class _Live:
    """Steps with their times, redrawn in place; rich calls `__rich__` four times a second for the running clock."""

    def __init__(self, target: Target, journey: Journey) -> None:
        self._label, self._journey = str(target), journey
        self._begun_s = time.monotonic()

    def show(self) -> None:
        """Nothing to do: the next drawing shows it."""

    def __rich__(self) -> RenderableType:
        from rich.text import Text

        journey, elapsed_s = self._journey, time.monotonic() - self._begun_s
        head = f"{self._label}  {paint_state(journey.state or 'preparing')}  {journey.ready}  {elapsed_s:.0f} s"
        steps = " ".join(_paint_step(step, journey) for step in STEPS)
        return Text.from_ansi("\n".join(part for part in (head, steps, clean(journey.reason)) if part))


@contextmanager
def _make_view(out: Output, target: Target, journey: Journey) -> Iterator[View]:
    if out.as_json or not out.is_terminal:
        yield _Lines(out, target, journey)
        return
    from rich.live import Live

    view = _Live(target, journey)
    with Live(view, refresh_per_second=4):
        yield view


def _paint_step(step: str, journey: Journey) -> str:
    if journey.is_behind(step):
        at_s = journey.reached.get(step)
        return click.style(step if at_s is None else f"{step} {format_duration(round(at_s, 1))}", fg="green")
    return click.style(step, bold=True) if step == journey.step else click.style(step, dim=True)


def _compact(label: str, journey: Journey, elapsed_s: float) -> str:
    reason = f": {clean(journey.reason)}" if journey.reason else ""
    step = f" ({journey.step})" if journey.state == "preparing" else ""
    return f"[{elapsed_s:6.1f} s] {label} {journey.state}{step} {journey.ready} ready{reason}"
