"""All figures of telemetry in one table: queries, upkeep, growth, logs and spans.

    python -m benchmarks.telemetry [kept]

Runs metrics_store, and logs and span_intake for a short time, each in a process of its own, and puts together what they
say; `kept` puts together what they said the last time. Each of them tells more, and what it is compared with.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

from benchmarks.report import RESULTS, report

_Row = Mapping[str, object]
PARTS = (("metrics_store",), ("logs", "3"), ("span_intake", "1"))
SPANS_BAR = 200_000


def from_metrics_store(row: _Row) -> list[_Row]:
    return [make_row("metrics", str(row["what"]), row["value"], str(row["unit"]), row["limit"])]


def from_logs(row: _Row) -> list[_Row]:
    what = f"{row['work']}, {row['load']}"
    return [
        make_row("logs", what, row["lines/s a core"], "lines/s a core"),
        make_row("logs", what, row["% of a core at this rate"], "% of a core"),
    ]


def from_span_intake(row: _Row) -> list[_Row]:
    is_barred = (row["work"], row["encoding"]) == ("into digests", "protobuf")
    limit = SPANS_BAR if is_barred else ""
    return [make_row("spans", f"{row['work']}, {row['encoding']}", row["spans/s a core"], "spans/s a core", limit)]


READERS: Mapping[str, Callable[[_Row], Sequence[_Row]]] = {
    "metrics_store": from_metrics_store,
    "logs": from_logs,
    "span_intake": from_span_intake,
}


def make_row(part: str, what: str, value: object, unit: str, limit: object = "") -> _Row:
    return {"part": part, "what": what, "value": float(str(value)), "unit": unit, "limit": limit}


def load_rows(name: str) -> list[_Row]:
    """Return what a benchmark wrote, as rows of the one table."""
    written = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return [made for row in written["rows"] for made in READERS[name](row)]


def main() -> None:
    if sys.argv[1:] != ["kept"]:
        for name, *arguments in PARTS:
            print(f"\n{name}", flush=True)
            subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], check=True)
    print("\ntelemetry")
    report("telemetry", [row for name, *_ in PARTS for row in load_rows(name)])


if __name__ == "__main__":
    main()
