"""Averages and maxima of samples, and their form in the database; pure.

What was not measured takes no part: an average is over the samples that know the figure, and none is None, never 0.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

REPLICA_MEASURES = (
    "cpu_user",
    "cpu_system",
    "cpu_cores",
    "memory_used",
    "memory_total",
    "disk_used",
    "disk_total",
    "restarts",
)
GPU_MEASURES = ("util", "vram_used", "vram_total", "temperature", "power")
"""Names in stored order: new ones go to the end. CPU in cores, memory and disk in bytes, util in percent, C and W."""
GROWING = frozenset({"restarts"})
"""What only grows: of an interval the greatest is told, never an average."""

_HEADER = struct.Struct("<HB")  # which measures are known, by bit; 1 if each was measured once
_ONCE = struct.Struct("<d")
_OFTEN = struct.Struct("<Idd")  # count, sum, greatest
_Cell = tuple[int, float, float]


class UsageFigures:
    """Count, sum and greatest of each measure by its place; empty at first."""

    __slots__ = ("cells",)

    def __init__(self) -> None:
        self.cells: dict[int, _Cell] = {}

    def add(self, place: int, count: int, sum_: float, max_: float) -> None:
        old = self.cells.get(place)
        self.cells[place] = (count, sum_, max_) if old is None else (old[0] + count, old[1] + sum_, max(old[2], max_))

    def add_all(self, other: UsageFigures) -> None:
        for place, cell in other.cells.items():
            self.add(place, *cell)

    def average(self, place: int) -> float | None:
        cell = self.cells.get(place)
        return None if cell is None else cell[1] / cell[0]

    def greatest(self, place: int) -> float | None:
        cell = self.cells.get(place)
        return None if cell is None else cell[2]


def make_figures(values: Sequence[float | None]) -> UsageFigures:
    """Return the figures of one sample, its values by their places."""
    figures = UsageFigures()
    for place, value in enumerate(values):
        if value is not None:
            figures.add(place, 1, float(value), float(value))
    return figures


def encode(figures: UsageFigures) -> bytes:
    """Return figures as bytes: 43 for one sample of five measures, 103 for the sum of many."""
    places = sorted(figures.cells)
    cells = [figures.cells[place] for place in places]
    is_once = all(count == 1 for count, _, _ in cells)
    header = _HEADER.pack(sum(1 << place for place in places), is_once)
    return header + b"".join(_ONCE.pack(cell[1]) if is_once else _OFTEN.pack(*cell) for cell in cells)


def decode(blob: bytes) -> UsageFigures:
    """Return the figures that `encode` wrote."""
    known, is_once = _HEADER.unpack_from(blob)
    form = _ONCE if is_once else _OFTEN
    figures = UsageFigures()
    places = [place for place in range(16) if known >> place & 1]
    for place, values in zip(places, form.iter_unpack(bytes(blob[_HEADER.size :])), strict=True):
        figures.cells[place] = (1, values[0], values[0]) if is_once else values
    return figures
