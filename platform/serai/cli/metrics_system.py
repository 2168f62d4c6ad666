"""What replicas used, as a table: a row for each interval and version. A dash is where nothing was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from serai.domain.quantity import format_bytes

from .session import Session
from .words import format_local

COLUMNS = ("FROM", "VERSION", "REPLICAS", "CPU", "OF CORES", "MEMORY", "OF")
# Shown where anything of the kind was measured in the range.
DISK_COLUMNS = ("DISK", "RESTARTS")
GPU_COLUMNS = ("GPU", "VRAM", "OF VRAM", "TEMP", "POWER")


def show_system(session: Session, found: Mapping[str, Any]) -> None:
    """Print the answer of `metrics/system`, sums over replicas; all of it as JSON."""
    if session.out.as_json:
        session.out.document(found)
    elif not found["versions"]:
        session.out.say("Nothing was measured in this range: a sample of each replica is taken every 10 s.")
    else:
        columns = choose_columns(found)
        session.out.table(columns, list(make_system_rows(found)), right=columns[2:])


def choose_columns(found: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the columns that have something to tell."""
    disk = DISK_COLUMNS if _has_disk(found) else ()
    return (*COLUMNS, *disk, *(GPU_COLUMNS if _has_gpus(found) else ()))


def make_system_rows(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each row, in order of time, as many as `choose_columns` has names."""
    has_disk, has_gpus = _has_disk(found), _has_gpus(found)
    for place, at in enumerate(found["times"]):
        for one in found["versions"]:
            yield (
                format_local(at),
                f"v{one['version']}",
                str(one["replicas"][place] or "-"),
                _cores(_add(one["cpu_user"][place], one["cpu_system"][place])),
                _cores(one["cpu_cores"][place]),
                _bytes(one["memory_used"][place]),
                _bytes(one["memory_total"][place]),
                *(_make_disk_cells(one, place) if has_disk else ()),
                *(_make_gpu_cells(one["gpus"], place) if has_gpus else ()),
            )


def _make_disk_cells(one: Mapping[str, Any], place: int) -> tuple[str, ...]:
    return _bytes(one["disk_used"][place]), _in_unit(one["restarts"][place], "")


def _make_gpu_cells(gpus: Mapping[str, Any] | None, place: int) -> tuple[str, ...]:
    """Return sums over the version's GPUs, utilisation and temperature as means."""
    if not gpus:
        return ("-",) * len(GPU_COLUMNS)
    return (
        _in_unit(gpus["util"][place], " %"),
        _bytes(gpus["vram_used"][place]),
        _bytes(gpus["vram_total"][place]),
        _in_unit(gpus["temperature"][place], " °C"),
        _in_unit(gpus["power"][place], " W"),
    )


def _has_gpus(found: Mapping[str, Any]) -> bool:
    return any(one["gpus"] for one in found["versions"])


def _has_disk(found: Mapping[str, Any]) -> bool:
    columns = (one[name] for one in found["versions"] for name in ("disk_used", "restarts"))
    return any(value is not None for column in columns for value in column)


def _add(user: float | None, system: float | None) -> float | None:
    return None if user is None else user + (system or 0.0)


def _cores(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _bytes(value: float | None) -> str:
    return "-" if value is None else format_bytes(value)


def _in_unit(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.0f}{unit}"
