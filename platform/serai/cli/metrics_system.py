"""What replicas used, as a table: a row for each interval and version. A dash is where nothing was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from serai.domain.quantity import format_bytes

from .session import Session
from .words import format_local

COLUMNS = ("FROM", "VERSION", "REPLICAS", "CPU", "OF CORES", "MEMORY", "OF", "GPU", "VRAM")


def show_system(session: Session, found: Mapping[str, Any]) -> None:
    """Print the answer of `metrics/system`, sums over replicas; all of it as JSON."""
    if session.out.as_json:
        session.out.document(found)
    elif not found["versions"]:
        session.out.say("Nothing was measured in this range: a sample of each replica is taken every 10 s.")
    else:
        session.out.table(COLUMNS, list(make_system_rows(found)), right=COLUMNS[2:])


def make_system_rows(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each row, in order of time."""
    for place, at in enumerate(found["times"]):
        for one in found["versions"]:
            gpus = one["gpus"] or {}
            yield (
                format_local(at),
                f"v{one['version']}",
                str(one["replicas"][place] or "-"),
                _cores(_add(one["cpu_user"][place], one["cpu_system"][place])),
                _cores(one["cpu_cores"][place]),
                _bytes(one["memory_used"][place]),
                _bytes(one["memory_total"][place]),
                _percent(gpus["util"][place] if gpus else None),
                _bytes(gpus["vram_used"][place] if gpus else None),
            )


def _add(user: float | None, system: float | None) -> float | None:
    return None if user is None else user + (system or 0.0)


def _cores(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _bytes(value: float | None) -> str:
    return "-" if value is None else format_bytes(value)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} %"
