"""Numbered lines of real models at full speed, while the server is killed (kill -9) and the collector's connection cut.

    python -m benchmarks.logs_kills [seconds] [server kills]    (30 and 5)

One replica at 10,000 lines/s, then 200 replicas at 100 lines/s, 100 bytes a line; one in ten readings of a log breaks
off behind some of its lines. When all is written, every line has to be kept, once. "kept within" is how long after the
last line was written the last one was kept; processor time is that of all servers together.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from benchmarks.report import report
from serai.client.client import LogQuery
from tests.system.cutting_logs import CONFIG, count_cuts
from tests.system.installation import Installation, make_model
from tests.system.numbered import PACED

LOADS = ((1, 10_000), (200, 100))
_PATIENCE_S = 120.0


def load_numbers(serai: Installation, replica: str) -> Counter[int]:
    """Return how often each number of a replica's lines is kept."""
    with serai.client() as client:
        lines = client.list_logs("paced", 1, LogQuery(replica=replica, page=10_000))
        texts = (str(line["text"]).split(" ") for line in lines)
        return Counter(int(words[2]) for words in texts if words[0] == "count")


def list_kept(serai: Installation) -> dict[str, int]:
    """Return the bytes that are kept, by replica."""
    with serai.client() as client:
        return {one["replica"]: one["size"] or 0 for one in client.list_replica_logs("paced", 1)}


def await_rest(serai: Installation) -> float:
    """Wait until nothing more is kept; return when something was last."""
    sizes, changed_at = list_kept(serai), time.monotonic()
    until = changed_at + _PATIENCE_S
    while time.monotonic() < min(until, changed_at + 12):  # the longest pause between two looks is 5 s
        time.sleep(0.5)
        now = list_kept(serai)
        if sum(now.values()) > sum(sizes.values()):
            changed_at = time.monotonic()
        sizes = now
    return changed_at


def kill(serai: Installation) -> float:
    """Kill the server and start it again; return the processor seconds that the one before took."""
    assert serai.server is not None
    times = psutil.Process(serai.server.pid).cpu_times()
    serai.kill_server()
    serai.start_server()
    return float(times.user + times.system)


def measure(replicas: int, rate: int, seconds: float, kills: int) -> dict[str, object]:
    total, dice = int(rate * seconds), random.Random()
    with tempfile.TemporaryDirectory() as folder:
        serai = Installation(Path(folder) / "serai", config=CONFIG)
        try:
            serai.start()
            manifest = f"replicas: {replicas}\nenv: {{RATE: '{rate}', TOTAL: '{total}'}}\n"
            serai.deploy(make_model(Path(folder) / "paced", manifest, PACED))
            over_at, cpu_s = time.monotonic() + seconds, 0.0
            for _ in range(kills):
                time.sleep(dice.uniform(0.2, 1.8) * seconds / kills * 0.8)
                cpu_s += kill(serai)
            time.sleep(max(0.0, over_at - time.monotonic()))
            kept_at = await_rest(serai)
            began = time.monotonic()
            numbers = [load_numbers(serai, replica) for replica in list_kept(serai)]
            read_s = time.monotonic() - began
            assert serai.server is not None
            times = psutil.Process(serai.server.pid).cpu_times()
            cuts = count_cuts(serai.data)
        finally:
            serai.close()
    return {
        "replicas": replicas,
        "lines/s of each": rate,
        "server kills": kills,
        "cuts": cuts,
        "written": total * replicas,
        "kept": sum(own.total() for own in numbers),
        "lost": sum(total - len(own) for own in numbers) + total * (replicas - len(numbers)),
        "doubled": sum(own.total() - len(own) for own in numbers),
        "kept within s": round(max(0.0, kept_at - over_at), 1),
        "server cpu s": round(cpu_s + times.user + times.system, 1),
        "read back lines/s": round(total * replicas / read_s),
    }


def main(seconds: float, kills: int) -> None:
    rows = [measure(*load, seconds, kills) for load in LOADS]
    report("logs_kills", rows)
    if any(row["lost"] or row["doubled"] for row in rows):
        raise SystemExit("lines were lost or doubled")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(float(given[0]) if given else 30.0, int(given[1]) if len(given) > 1 else 5)
