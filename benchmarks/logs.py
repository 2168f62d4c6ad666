"""Collecting logs: lines a second and processor time of one replica that writes much and of many that write little.

    python -m benchmarks.logs [seconds]

A scheduler in memory has lines ready as fast as they are asked for at the rates of the table (100 characters each); the
collector's parts take them to files, as a server does. Compared with the bare work: encoding the same lines, and
compressing them. Then the kept lines are read back: all of them, and those with a text that is nowhere.
"""

from __future__ import annotations

import gzip
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.report import report
from serai.domain.log_filter import ALL_LINES, LogFilter
from serai.domain.observation import LogLine, Stream
from serai.plugin.log_store import LogKey
from serai.plugin.testing.fakes import FakeScheduler
from serai.reconcile.log_intake import LogIntake
from serai.store.log_files import FileLogStore, LogLimits
from serai.store.log_format import encode_batch

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
LOADS = (("1 x 10,000/s", 1, 10_000), ("200 x 100/s", 200, 100))
_Row = dict[str, object]


class WritingScheduler(FakeScheduler):
    """Has at each `second` so many more lines of every replica, all made beforehand."""

    def __init__(self, rate: int, seconds: int) -> None:
        super().__init__()
        self.rate, self.second = rate, 0
        self.lines = [make_line(number, rate) for number in range(rate * seconds)]

    def logs(
        self, workload_id: str, replica: str, stream: Stream | None = None, after: str | None = None
    ) -> Iterator[LogLine]:
        return iter(self.lines[int(after or 0) : self.second * self.rate])


def make_line(number: int, rate: int) -> LogLine:
    at = BEGIN + timedelta(seconds=number / rate)
    text = f"INFO request {number} took {number * 7919 % 1000} ms, id {number * 2654435761 % 2**32:08x}".ljust(100, ".")
    return LogLine(at, "r", Stream.STDOUT, text, str(number + 1))


def measure(action: Callable[[], object]) -> float:
    """Return the processor seconds of an action."""
    began = time.process_time()
    action()
    return time.process_time() - began


def run(name: str, replicas: int, rate: int, seconds: int) -> list[_Row]:
    scheduler = WritingScheduler(rate, seconds)
    keys = [LogKey("m-v1", f"r{number}") for number in range(replicas)]
    total = replicas * rate * seconds
    with tempfile.TemporaryDirectory() as folder:
        store = FileLogStore(Path(folder), LogLimits())
        intake = LogIntake(scheduler, store, lambda _: True)

        def collect() -> None:
            for scheduler.second in range(1, seconds + 1):
                for key in keys:
                    intake.collect(key)

        def read(wanted: LogFilter) -> int:
            return sum(1 for key in keys for _ in store.read(key, wanted))

        collecting = measure(collect)
        for key in keys:
            store.seal(key)
        kept = sum(path.stat().st_size for path in Path(folder).rglob("*.gz"))
        assert read(ALL_LINES) == total
        data = encode_batch(scheduler.lines)
        works = (
            ("collect", collecting),
            ("bare: encode", measure(lambda: encode_batch(scheduler.lines)) * replicas),
            ("bare: compress", measure(lambda: gzip.compress(data, 6)) * replicas),
            ("read all", measure(lambda: read(ALL_LINES))),
            ("search, not found", measure(lambda: read(LogFilter(text="nowhere")))),
        )
        return [
            {
                "load": name,
                "work": work,
                "lines/s a core": round(total / taken),
                "% of a core at this rate": 100 * taken / seconds,
                "bytes a line": round(kept / total, 1),
            }
            for work, taken in works
        ]


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    report("logs", [row for load in LOADS for row in run(*load, seconds)])


if __name__ == "__main__":
    main()
