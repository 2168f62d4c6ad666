"""Run every benchmark, one after the other: `python -m benchmarks`."""

from __future__ import annotations

import subprocess
import sys

NAMES = (
    "frugal",
    "gateway",
    "gateway_updates",
    "gateway_revocation",
    "reconcile_tick",
    "metrics_query",
    "metrics_store",
    "logs",
    "logs_kills",
    "span_intake",
    "nomad",
)


def main() -> None:
    for name in NAMES:
        print(f"\n{name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)


if __name__ == "__main__":
    main()
