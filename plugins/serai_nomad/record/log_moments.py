"""When lines were written, as near as can be known: Nomad keeps no time with a line."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import datetime

from .log_position import LogFile

_MOST_REPLICAS = 2_000
_MOST_MARKS = 200

_Mark = tuple[int, datetime]


class Moments:
    """Remembers how long each file was when, so that a line keeps the time it was first given.

    The time of a line is that of the file's last change when the line was first seen in it: never before it was
    written, and for who follows a log less than a look too late. Bounded: of a file that has been looked at very
    often every second mark is dropped, and the files of replicas not looked at for long are forgotten. Safe from any
    thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._marks: OrderedDict[str, dict[str, list[_Mark]]] = OrderedDict()

    def note(self, allocation: str, files: Iterable[LogFile]) -> None:
        """Take the files of a replica as they were listed."""
        with self._lock:
            known = self._marks.setdefault(allocation, {})
            self._marks.move_to_end(allocation)
            for file in files:
                _add(known.setdefault(file.name, []), file)
            while len(self._marks) > _MOST_REPLICAS:
                self._marks.popitem(last=False)

    def of(self, allocation: str, file: LogFile) -> Callable[[int], datetime]:
        """Return what tells the time of a line by the offset behind it."""
        with self._lock:
            marks = list(self._marks.get(allocation, {}).get(file.name) or ())
        sizes = [size for size, _ in marks]

        def tell(offset: int) -> datetime:
            place = bisect_left(sizes, offset)
            return marks[place][1] if place < len(marks) else file.modified_at

        return tell


def _add(marks: list[_Mark], file: LogFile) -> None:
    if marks and file.size <= marks[-1][0]:
        return  # no line that was not there before
    marks.append((file.size, file.modified_at))
    if len(marks) > _MOST_MARKS:
        del marks[:-1:2]
