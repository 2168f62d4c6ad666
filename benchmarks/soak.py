"""A whole installation under steady load while its parts are killed (kill -9) at random, and come back.

    python -m benchmarks.soak [minutes] [requests/s] [minutes of peace]    (30, 2,000 and 15)

`serai up` with its gateway, two gateways beside it (HAProxy engine), models that number their log lines, a server that
collects these lines over a connection that breaks, and a version that is replaced by another now and then.

What has to hold in the end:

* `steady` is asked through gateways whose agents are killed, and whose HAProxy is not: as many requests are counted as
  were sent, exactly. (A connection that HAProxy closes without a word, as both replicas that it tried died under the
  request, is an answer, too: it is counted as one of 5xx, and "cut" to the caller.)
* `rough` is asked through a gateway whose HAProxy is killed as well, while its agent is there. What was in flight then
  is answered to nobody, and whether a request that ended in that very moment had been told to the agent nobody can
  know: counted are at least those answered but the doubtful ones, and at most those answered and those cut. (Where both
  are killed, what HAProxy had not told yet is lost, as with a machine.)
* Of the lines of all models, none is lost and none doubled.

Then nothing is killed any more and the load goes on, as what lives for minutes only does not show whether its memory is
flat. That is for the reader to see: the table tells the growth within the lives of processes.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.report import report
from benchmarks.soak_chaos import ROUGH, Chaos, Faults
from benchmarks.soak_lines import LineFigures, check_lines
from benchmarks.soak_load import Caller, send
from benchmarks.soak_memory import Sample, sum_up, take_samples
from benchmarks.soak_world import World
from serai.client.client import Client, LogQuery

SAMPLE_S = 10.0
_SETTLE_S = 45.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How long parts are killed, how many requests a second are sent, and for how long after the last kill."""

    minutes: float = 30.0
    per_second: float = 2000.0
    peace_minutes: float = 15.0


async def soak(world: World, plan: Plan, faults: Faults) -> tuple[list[Caller], list[Sample]]:
    """Return what the callers saw and samples of all processes' memory."""
    steady = [Caller("127.0.0.1", port, "/steady/work") for port in world.ports[:ROUGH]]
    rough = Caller("127.0.0.1", world.ports[ROUGH], "/rough/work")
    callers = [*steady, rough]
    samples: list[Sample] = []

    async def watch() -> None:
        while True:
            samples.extend(await asyncio.to_thread(take_samples, world.folder))
            await asyncio.sleep(SAMPLE_S)

    with world.client() as client:
        chaos = Chaos(world, client, rough, faults, plan.minutes)
        tasks = [asyncio.create_task(part) for part in (watch(), chaos.run_for(plan.minutes * 60))]
        try:
            await send(callers, plan.per_second, (plan.minutes + plan.peace_minutes) * 60)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            for caller in callers:
                await caller.close()
        for result in results:
            if isinstance(result, Exception):
                raise result
    return callers, samples


def count_requests(client: Client, name: str, start: datetime, **only: object) -> int:
    params = {"from": start.isoformat(), "interval": "1h", **only}
    return int(client.load_requests(name, params)["total"]["count"])


def await_counted(client: Client, name: str, start: datetime, wanted: int) -> int:
    """Return how many are counted, once that is `wanted` or has not changed for long."""
    until, last = time.monotonic() + _SETTLE_S, -1
    while time.monotonic() < until:
        counted = count_requests(client, name, start)
        if counted != last:
            last, until = counted, time.monotonic() + _SETTLE_S
        if counted == wanted:
            break
        time.sleep(1.0)
    return last


def stop_all(client: Client, names: Sequence[str]) -> None:
    """Stop the deployments, whose models then say their last word."""
    for name in names:
        client.stop_deployment(name)
    until = time.monotonic() + 120
    while time.monotonic() < until:
        versions = [version for name in names for version in client.get_deployment(name)["versions"]]
        if all(version["state"] in ("stopped", "error") for version in versions):
            return
        time.sleep(0.5)
    raise SystemExit("the models do not stop")


def load_figures(client: Client, name: str) -> LineFigures:
    """Return what became of the lines of all versions, once every life has ended or nothing has come for long."""
    until, figures = time.monotonic() + 60, LineFigures()
    while True:
        versions = [int(version["number"]) for version in client.get_deployment(name)["versions"]]
        query = LogQuery(page=10_000)
        figures = check_lines(line["text"] for v in versions for line in client.list_logs(name, v, query))
        if not figures.without_end or time.monotonic() > until:
            return figures
        time.sleep(2.0)


def make_row(name: str, callers: Sequence[Caller], counted: int, asked: int) -> dict[str, object]:
    answered = sum(caller.answered for caller in callers)
    cut, doubtful = sum(c.cut for c in callers), sum(c.doubtful for c in callers)
    statuses = sum((caller.statuses for caller in callers), Counter[int]())
    is_exact = not any(caller.doubtful for caller in callers)
    sent = sum(caller.sent for caller in callers)
    holds = counted == sent if is_exact else answered - doubtful <= counted <= answered + cut
    return {
        "deployment": name,
        "sent": sent,
        "answered": answered,
        "counted": counted,
        "asked of models": asked,
        "cut": cut,
        "in doubt": doubtful,
        "refused": sum(caller.refused for caller in callers),
        "statuses": " ".join(f"{status}:{count}" for status, count in sorted(statuses.items())),
        "slowest s": round(max(caller.slowest_s for caller in callers), 2),
        "holds": "exactly" if holds and is_exact else "within doubt" if holds else "NO",
    }


def make_line_row(name: str, figures: LineFigures) -> dict[str, object]:
    return {
        "deployment": name,
        "lives": figures.lives,
        "lines": figures.lines,
        "lost": figures.lost,
        "doubled": figures.doubled,
        "lives without an end": figures.without_end,
    }


def print_problems(name: str, callers: Sequence[Caller], began_s: float) -> None:
    """Say when callers were answered an error, and how often."""
    for number, caller in enumerate(callers, 1):
        for kind, spans in caller.problems.items():
            for first, last, count in spans:
                print(
                    f"{name}, gateway {number}: {count} x {kind} from {first - began_s:.1f} s to {last - began_s:.1f} s"
                )


def check_statuses(client: Client, name: str, callers: Sequence[Caller], start: datetime) -> None:
    """Say where the counts of a class of statuses differ from those of the callers."""
    seen: Counter[str] = Counter()
    for caller in callers:
        for status, count in caller.statuses.items():
            seen[f"{status // 100}xx"] += count
        seen["5xx"] += caller.cut
    for status in ("2xx", "3xx", "4xx", "5xx"):
        counted = count_requests(client, name, start, status=status)
        if counted != seen[status]:
            print(f"{name}: {counted} requests of {status} are counted, callers saw {seen[status]}, cut ones included")


def judge(world: World, callers: list[Caller], start: datetime, began_s: float) -> tuple[list[dict[str, object]], ...]:
    """Return the rows of requests and of lines."""
    owners: Mapping[str, list[Caller]] = {"steady": callers[:ROUGH], "rough": callers[ROUGH:]}
    requests, lines = [], []
    with world.client() as client:
        counted = {
            name: await_counted(client, name, start, sum(caller.answered + caller.cut for caller in own))
            for name, own in owners.items()
        }
        for name, own in owners.items():
            print_problems(name, own, began_s)
            check_statuses(client, name, own, start)
        stop_all(client, list(owners))
        for name, own in owners.items():
            figures = load_figures(client, name)
            requests.append(make_row(name, own, counted[name], figures.asked))
            lines.append(make_line_row(name, figures))
    return requests, lines


def main(plan: Plan) -> None:
    with tempfile.TemporaryDirectory(prefix="serai-soak-") as folder:
        world, faults, start = World(Path(folder)), Faults(), datetime.now(UTC)
        try:
            for name in ("steady", "steady", "rough"):
                world.deploy(name, 2)
            time.sleep(3.0)  # every gateway has the routes
            began_s = faults.began_s = time.monotonic()
            callers, samples = asyncio.run(soak(world, plan, faults))
            requests, lines = judge(world, callers, start, began_s)
            faults.done["connections for logs cut"] = world.cuts
        finally:
            world.close()
    print(f"{plan.minutes:g} minutes at {plan.per_second:g} requests/s, and {plan.peace_minutes:g} in peace")
    report("soak", requests)
    report("soak_lines", lines)
    report("soak_memory", sum_up(samples))
    report("soak_faults", [{"fault": kind, "times": times} for kind, times in sorted(faults.done.items())])
    if any(row["holds"] == "NO" for row in requests) or any(row["lost"] or row["doubled"] for row in lines):
        raise SystemExit("the soak found a fault")


if __name__ == "__main__":
    main(Plan(*(float(word) for word in sys.argv[1:])))
