"""A whole installation under steady load while its parts are killed (kill -9) at random, and come back.

    python -m benchmarks.soak [minutes] [requests/s]    (30 and 2,000)

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

That memory is flat is for the reader to see: the table tells the growth within the lives of processes.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks.report import report
from benchmarks.soak_lines import LineFigures, check_lines
from benchmarks.soak_load import Caller, send
from benchmarks.soak_memory import Sample, sum_up, take_samples
from benchmarks.soak_world import World
from serai.client.client import Client, LogQuery
from serai.domain.errors import SeraiError

SAMPLE_S = 10.0
# Seconds between two faults of a kind, on average.
AGENT_S, HAPROXY_S, SERVER_S, HANDOVER_S = 20.0, 60.0, 240.0, 150.0
# HAProxy is killed once its agent has been there for so long, and has read what waited for it.
APART_S = 3.0
_ROUGH = 2  # the gateway whose HAProxy is killed
_SETTLE_S = 45.0


@dataclass
class Faults:
    """What was done to an installation, by kind, and when."""

    began_s: float = 0.0
    done: Counter[str] = field(default_factory=Counter)

    def note(self, kind: str, what: str = "") -> None:
        self.done[kind] += 1
        print(f"{time.monotonic() - self.began_s:7.1f} s  {kind} {what}".rstrip(), flush=True)


class Chaos:
    """Kills at random until it is cancelled."""

    def __init__(self, world: World, client: Client, rough: Caller, faults: Faults, minutes: float) -> None:
        self._world, self._client, self._rough, self._faults = world, client, rough, faults
        self._pace = min(1.0, minutes / 4)  # a short soak sees each kind, too
        self._dice = random.Random()
        self._version = 2
        self._rough_lock = asyncio.Lock()

    async def run(self) -> None:
        await asyncio.gather(
            self._every(AGENT_S, self._kill_agent),
            self._every(HAPROXY_S, self._kill_haproxy),
            self._every(SERVER_S, self._kill_server),
            self._every(HANDOVER_S, self._hand_over),
        )

    async def _every(self, mean_s: float, act: Callable[[], object]) -> None:
        while True:
            pause_s = self._dice.expovariate(1 / (mean_s * self._pace))
            await asyncio.sleep(min(max(1.0, pause_s), 3 * mean_s * self._pace))
            result = act()
            if asyncio.iscoroutine(result):
                await result

    async def _kill_agent(self) -> None:
        number = self._dice.randrange(len(self._world.ports))
        async with self._rough_lock if number == _ROUGH else asyncio.Lock():
            if await asyncio.to_thread(self._world.kill_agent, number):
                self._faults.note("gateway agents killed", str(number + 1))

    async def _kill_haproxy(self) -> None:
        async with self._rough_lock:
            await self._await_agent()
            victim = await asyncio.to_thread(self._world.find_haproxy, _ROUGH)
            if victim is None:
                return
            self._rough.note_kill()  # in the same breath: what is answered from now on is in doubt
            with suppress(psutil.NoSuchProcess):
                victim.kill()
            self._faults.note("HAProxy processes killed")
            await self._await_agent()

    async def _await_agent(self) -> None:
        """Wait until the agent of `rough` has answered for some time."""
        since = time.monotonic()
        while time.monotonic() < since + APART_S:
            if not await asyncio.to_thread(self._world.has_agent, _ROUGH):
                since = time.monotonic()
            await asyncio.sleep(0.2)

    async def _kill_server(self) -> None:
        if await asyncio.to_thread(self._world.kill_server):
            self._faults.note("servers killed")

    async def _hand_over(self) -> None:
        self._version = 3 - self._version
        try:
            await asyncio.to_thread(self._client.start_version, "steady", self._version)
            self._faults.note("versions replaced", f"by {self._version}")
        except SeraiError as error:
            self._faults.note(f"handovers refused: {error.code}")


async def soak(world: World, minutes: float, per_second: float, faults: Faults) -> tuple[list[Caller], list[Sample]]:
    """Return what the callers saw and samples of all processes' memory."""
    steady = [Caller("127.0.0.1", port, "/steady/work") for port in world.ports[:_ROUGH]]
    rough = Caller("127.0.0.1", world.ports[_ROUGH], "/rough/work")
    callers = [*steady, rough]
    samples: list[Sample] = []

    async def watch() -> None:
        while True:
            samples.extend(await asyncio.to_thread(take_samples, world.folder))
            await asyncio.sleep(SAMPLE_S)

    with world.client() as client:
        chaos = Chaos(world, client, rough, faults, minutes)
        tasks = [asyncio.create_task(part) for part in (watch(), chaos.run())]
        try:
            await send(callers, per_second, minutes * 60)
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
    owners: Mapping[str, list[Caller]] = {"steady": callers[:_ROUGH], "rough": callers[_ROUGH:]}
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


def main(minutes: float, per_second: float) -> None:
    with tempfile.TemporaryDirectory(prefix="serai-soak-") as folder:
        world, faults, start = World(Path(folder)), Faults(), datetime.now(UTC)
        try:
            for name in ("steady", "steady", "rough"):
                world.deploy(name, 2)
            time.sleep(3.0)  # every gateway has the routes
            began_s = faults.began_s = time.monotonic()
            callers, samples = asyncio.run(soak(world, minutes, per_second, faults))
            requests, lines = judge(world, callers, start, began_s)
            faults.done["connections for logs cut"] = world.cuts
        finally:
            world.close()
    print(f"{minutes:g} minutes at {per_second:g} requests/s")
    report("soak", requests)
    report("soak_lines", lines)
    report("soak_memory", sum_up(samples))
    report("soak_faults", [{"fault": kind, "times": times} for kind, times in sorted(faults.done.items())])
    if any(row["holds"] == "NO" for row in requests) or any(row["lost"] or row["doubled"] for row in lines):
        raise SystemExit("the soak found a fault")


if __name__ == "__main__":
    given = [float(word) for word in sys.argv[1:]]
    main(*given, *(30.0, 2000.0)[len(given) :])
