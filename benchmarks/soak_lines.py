"""What became of numbered lines: `count <life> <number> <asked>` from 0 on, and `end ...` as the last of a life."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LineFigures:
    """`asked` is how many requests the models have seen; a life without an end is one whose last lines may miss."""

    lives: int = 0
    lines: int = 0
    lost: int = 0
    doubled: int = 0
    without_end: int = 0
    asked: int = 0


def check_lines(texts: Iterable[str]) -> LineFigures:
    numbers: defaultdict[str, Counter[int]] = defaultdict(Counter)
    asked: dict[str, int] = {}
    ended: set[str] = set()
    for text in texts:
        word, *rest = text.split(" ")
        if word not in ("count", "end") or len(rest) != 3:
            continue
        life, number, seen = rest[0], int(rest[1]), int(rest[2])
        numbers[life][number] += 1
        asked[life] = max(seen, asked.get(life, 0))
        if word == "end":
            ended.add(life)
    return LineFigures(
        lives=len(numbers),
        lines=sum(own.total() for own in numbers.values()),
        lost=sum(max(own) + 1 - len(own) for own in numbers.values()),
        doubled=sum(own.total() - len(own) for own in numbers.values()),
        without_end=len(numbers.keys() - ended),
        asked=sum(asked.values()),
    )
