"""One tick of the reconciler at 1,000 deployments x 10 replicas, and the cost of one change there.

    python -m benchmarks.reconcile_tick [deployments] [replicas]

The limit compared with in the same run is the scheduler's bare `observe`, without which nothing can be known; and the
cost of one change at a tenth of the size, which should be the same, as it must not grow with what is unchanged.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.report import report
from tests.reconcile.world import World


def measure(action: Callable[[], object], times: int) -> float:
    """Return the median seconds of `action`."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return median(taken)


def make_world(folder: Path, deployments: int, replicas: int) -> World:
    world = World(folder)
    for number in range(deployments):
        world.deploy(f"model-{number}", replicas=replicas)
    world.tick(3)
    return world


def measure_size(deployments: int, replicas: int) -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(Path(folder), deployments, replicas)
        counts = iter(range(1, 10_000))

        def change() -> None:
            world.lifecycle.change("model-7", {"count": 1 + next(counts) % replicas}, "ann")
            world.reconciler.tick({"model-7"})

        rows = {
            "observe alone (the limit)": measure(lambda: world.scheduler.observe(None), 5),
            "full tick, nothing changed": measure(world.reconciler.tick, 5),
            "one change, told and published": measure(change, 20),
            "views of all deployments": measure(world.cluster.views, 5),
        }
        world.close()
    size = f"{deployments} x {replicas}"
    return [{"size": size, "what": what, "median_ms": seconds * 1000} for what, seconds in rows.items()]


def main() -> None:
    logging.disable(logging.INFO)
    deployments, replicas = (int(text) for text in [*sys.argv[1:], "1000", "10"][:2])
    report("reconcile_tick", measure_size(deployments // 10, replicas) + measure_size(deployments, replicas))


if __name__ == "__main__":
    main()
