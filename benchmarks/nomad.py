"""How much Serai asks of Nomad, and how soon it sees what has changed there, at 1,000 jobs with 3,000 replicas.

    python -m benchmarks.nomad [jobs] [replicas]

Bars (product): a change visible within 1 s, a full look within 2 s and without reading what has not changed, no more
connections than the setting allows. The limits in the same run: Nomad's own time for the lists that hold it all, the
event as a reader of the bare stream gets it, and a poller that asks for each job, its allocations and evaluations.
The agent is real, its replicas are mocks, their ports are opened by the benchmark (see nomad_fleet.py). Most of the
time, which is minutes, Nomad takes to place the replicas. Needs `nomad` on PATH, with its mock driver.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests

from benchmarks.nomad_fleet import (
    INSTANCE,
    MockAgent,
    Ports,
    await_running,
    deploy,
    make_copy,
    make_serai,
    running_ports,
)
from benchmarks.nomad_meter import CallMeter, Cost, Follower, RawStream, connections_to, middle, quantile
from benchmarks.report import report
from serai.domain.errors import NotFound
from serai.domain.observation import Observation, Phase, Replica
from serai.plugin import PluginContext
from serai_nomad.plugin import NomadPlugin
from serai_nomad.scheduler import NomadScheduler
from tests.live.agent import Agent
from tests.live.leftovers import make_folder
from tests.live.serai_server import make_place
from tests.live.surroundings import find_nomad, missing
from tests.system.installation import Installation
from tests.waiting import eventually

CONNECTIONS = 16
CHANGES = 50
REST_S = 15.0
PATIENCE_S = 300.0  # with Nomad, where the machine has other things to do
CROWD = "crowd-v1"
START = time.perf_counter()
Row = dict[str, object]


@dataclass(slots=True)
class Bench:
    """What all parts need; `rows` is what was found so far."""

    agent: Agent
    ports: Ports
    names: list[str]
    replicas: int
    rows: list[Row]

    def add(self, what: str, value: float, bar: str = "", detail: str = "") -> None:
        self.rows.append({"what": what, "value": value, "bar": bar, "detail": detail})
        print(f"  {time.perf_counter() - START:5.0f} {what}: {value:.4g} {bar} {detail}", file=sys.stderr, flush=True)

    def add_cost(self, what: str, cost: Cost, bar: str = "") -> None:
        calls = ", ".join(f"{count} {path}" for path, count in cost.calls.most_common(4))
        size = f"{cost.received_bytes / 1e3:.0f} kB"
        detail = f"cpu {cost.cpu_s:.3f} s, {size}, {sum(cost.calls.values())} calls: {calls}"
        self.add(f"{what}: s", cost.wall_s, bar, detail)

    def add_times(self, what: str, taken: list[float], bar: str = "", detail: str = "") -> None:
        self.add(f"{what}: p50 s", quantile(taken, 0.5), bar, detail)
        self.add(f"{what}: p99 s", quantile(taken, 0.99), bar, f"of {len(taken)}")


# the limits


def measure_limits(bench: Bench) -> None:
    session = requests.Session()

    def get(path: str) -> None:
        session.get(f"{bench.agent.address}{path}").json()

    def lists() -> None:
        for path in ("jobs?meta=true", "allocations?resources=true", "evaluations"):
            get(f"/v1/{path}")

    def poll() -> None:
        for name in bench.names:
            for part in ("", "/allocations", "/evaluations"):
                get(f"/v1/job/{name}-v1{part}")

    with session:
        bench.add("limit: reading and decoding the three lists: s", middle(lists, 3))
        bench.add("naive poller, three calls a job: s", middle(poll, 1))


# the scheduler alone


@contextmanager
def open_scheduler(agent: Agent, folder: Path) -> Iterator[NomadScheduler]:
    def refuse(digest: str) -> Path:
        raise NotFound(f"there is no bundle {digest} in this benchmark")

    settings = make_place(agent) | {"instance": INSTANCE, "connections": CONNECTIONS}
    context = PluginContext(folder, settings, refuse, "http://127.0.0.1:1")
    with closing(NomadPlugin().serai_register_scheduler(context)) as made:
        assert isinstance(made, NomadScheduler)
        yield made


def measure_scheduler(bench: Bench, folder: Path) -> None:
    me = psutil.Process()
    before = me.memory_info().rss
    with open_scheduler(bench.agent, folder) as scheduler:
        meter = CallMeter(scheduler._parts.api.session)
        measure_looks(bench, scheduler, meter)
        bench.add("memory that the scheduler takes: MB", (me.memory_info().rss - before) / 1e6)
        follower = Follower(scheduler)
        measure_rest(bench, follower, meter)
        measure_changes(bench, scheduler, follower)
        measure_readiness(bench, follower)
        measure_blocked(bench, scheduler, meter)
    follower.close()
    clean_up(bench)


def look(scheduler: NomadScheduler, meter: CallMeter) -> tuple[Cost, int]:
    """Return the cost of a look at everything, and how many replicas were seen ready."""
    with meter.measure() as cost:
        seen = scheduler.observe()
    return cost, sum(replica.ready for each in seen.values() for replica in each.replicas)


def measure_looks(bench: Bench, scheduler: NomadScheduler, meter: CallMeter) -> None:
    size = f"{len(bench.names)} jobs, {len(bench.names) * bench.replicas} replicas"
    cost, ready = look(scheduler, meter)
    bench.add_cost(f"first look at {size}", cost, "2 s")
    bench.add("of them seen ready by the first look", ready, str(len(bench.names) * bench.replicas))
    eventually(lambda: scheduler._parts.observer.needs_touch or not scheduler.observe(), 10)
    look(scheduler, meter)
    bench.add_cost("look with nothing changed", look(scheduler, meter)[0], "2 s")
    for count in (1, 10, min(100, len(bench.names))):
        scale(bench, bench.names[:count], bench.replicas + 1)
        eventually(lambda: not bench.agent.api.get("/v1/evaluations", status="pending"), PATIENCE_S, 0.5)
        bench.add_cost(f"look with {count} jobs changed", look(scheduler, meter)[0], "2 s")
        scale(bench, bench.names[:count], bench.replicas)


def scale(bench: Bench, names: list[str], count: int) -> None:
    body = {"Count": count, "Target": {"Group": "model"}}
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: bench.agent.api.put(f"/v1/job/{name}-v1/scale", body), names))


def await_settled(bench: Bench) -> None:
    eventually(lambda: len(running_ports(bench.agent)) == len(bench.names) * bench.replicas, PATIENCE_S, 2.0)


def measure_rest(bench: Bench, follower: Follower, meter: CallMeter) -> None:
    await_settled(bench)
    time.sleep(3)
    hints = follower.hints
    with meter.measure() as cost:
        time.sleep(REST_S)
        open_now = connections_to(psutil.Process(), bench.agent.ports.http)
    bench.add("at rest, between looks: calls/s", sum(cost.calls.values()) / REST_S, "", str(dict(cost.calls)))
    bench.add("at rest, between looks: % of a core", 100 * cost.cpu_s / REST_S)
    bench.add("at rest, between looks: hints/s", (follower.hints - hints) / REST_S)
    bench.add("connections open to Nomad", open_now, str(CONNECTIONS))


def measure_changes(bench: Bench, scheduler: NomadScheduler, follower: Follower) -> None:
    """Scale, register and fail something, one after the other, while looks at everything go on."""
    with closing(RawStream(bench.agent.address)) as stream:
        time.sleep(1)
        scaled, bare, count = [], [], bench.replicas + 1

        def is_scaled(seen: Observation) -> bool:
            return seen.count == count

        for number in range(min(CHANGES, len(bench.names))):
            job = f"{bench.names[number]}-v1"
            stream.forget()
            start = time.time()
            scale(bench, [bench.names[number]], count)
            scaled.append(follower.await_seen(job, is_scaled) - start)
            bare.append((stream.named_at(job) or time.time()) - start)
            if number % 10 == 0:
                scheduler.observe()
        bench.add_times("limit: a scaling, as the bare event stream tells it", bare)
        bench.add_times("a scaling, until observe shows it", scaled, "1 s")
        registered = [time_registering(bench, follower, f"extra-{number}-v1") for number in range(CHANGES)]
        bench.add_times("a job registered, until observe shows it", registered, "1 s")
        failed = [time_failing(bench, follower, f"doomed-{number}-v1") for number in range(CHANGES // 2)]
        bench.add_times(
            "a replica that fails, until observe shows why", failed, "1 s", "clients of Nomad sync each 0.2 s"
        )


def time_registering(bench: Bench, follower: Follower, id: str) -> float:
    job = make_copy(bench.agent, f"{bench.names[0]}-v1", id)
    start = time.time()
    bench.agent.api.register(job)
    return follower.await_seen(id, lambda seen: seen.count == 1) - start


def time_failing(bench: Bench, follower: Follower, id: str) -> float:
    job = make_copy(bench.agent, f"{bench.names[0]}-v1", id, run_for="300ms", exit_code=1)
    bench.agent.api.register(job)
    seen_at = follower.await_seen(id, lambda seen: any(is_failed(replica) for replica in seen.replicas))
    events = bench.agent.api.allocations(id)[0]["TaskStates"]["server"]["Events"]
    failed_at: float = min(event["Time"] for event in events if event["Type"] == "Terminated") / 1e9
    bench.agent.api.delete(f"/v1/job/{id}")
    return seen_at - failed_at


def is_failed(replica: Replica) -> bool:
    return replica.reason is not None and replica.reason.exit_code == 1


def measure_readiness(bench: Bench, follower: Follower) -> None:
    """Open the port of a replica that runs, and wait until it is seen ready; alone, and many at once."""
    ids = [f"extra-{number}-v1" for number in range(CHANGES)]
    alone = [id for id in ids if is_loading(follower.get(id))]  # others were given a port that is open already
    bench.add_times(
        "a port that opens, until observe shows its replica ready",
        [time_opening(bench, follower, id) for id in alone],
        "0.25 s",
    )
    bench.agent.api.register(make_copy(bench.agent, f"{bench.names[0]}-v1", CROWD, 100))
    follower.await_seen(CROWD, lambda seen: sum(bool(replica.address) for replica in seen.replicas) == 100)
    lag = time_opening(bench, follower, CROWD)
    bench.add("100 replicas whose ports open at once, until all are seen ready: s", lag)


def is_loading(seen: Observation) -> bool:
    return any(replica.phase is Phase.LOADING for replica in seen.replicas)


def time_opening(bench: Bench, follower: Follower, id: str) -> float:
    found = follower.get(id).replicas
    start = time.time()
    bench.ports.open(int(replica.address.rpartition(":")[2]) for replica in found)
    return follower.await_seen(id, lambda seen: all(replica.ready for replica in seen.replicas)) - start


def measure_blocked(bench: Bench, scheduler: NomadScheduler, meter: CallMeter) -> None:
    """Register a hundred jobs for which there is no place, and look at everything."""
    for number in range(100):
        job = make_copy(bench.agent, f"{bench.names[0]}-v1", f"huge-{number}-v1")
        job["TaskGroups"][0]["Tasks"][0]["Resources"]["MemoryMB"] = 10**7
        bench.agent.api.register(job)
    eventually(lambda: len(bench.agent.api.get("/v1/evaluations", status="blocked")) >= 100, 30, 0.5)
    look(scheduler, meter)
    bench.add_cost("look with 100 jobs without a place, nothing changed", look(scheduler, meter)[0], "2 s")
    time.sleep(4)
    bench.add_cost("the same, 4 s later", look(scheduler, meter)[0], "2 s")


def clean_up(bench: Bench) -> None:
    """Leave what Serai has deployed, as it was."""
    for row in bench.agent.api.get("/v1/jobs"):
        if not row["ID"].startswith("model-"):
            bench.agent.api.delete(f"/v1/job/{row['ID']}", purge="true")
    scale(bench, bench.names[:CHANGES], bench.replicas)
    await_settled(bench)


# a whole server


def measure_server(bench: Bench, serai: Installation) -> None:
    start = time.perf_counter()
    serai.start_server()
    with serai.client() as client:
        eventually(lambda: all(each["state"] == "running" for each in client.list_deployments()), 60, 0.2)
        bench.add("a restarted server, until it shows all running: s", time.perf_counter() - start)
        assert serai.server is not None
        process = psutil.Process(serai.server.pid)
        time.sleep(5)
        before = process.cpu_times()
        time.sleep(REST_S)
        after = process.cpu_times()
        cpu_s = after.user + after.system - before.user - before.system
        bench.add("server at rest: % of a core", 100 * cpu_s / REST_S)
        bench.add("server at rest: MB resident", process.memory_info().rss / 1e6)
        open_now = connections_to(process, bench.agent.ports.http)
        bench.add("server at rest: connections open to Nomad", open_now, str(CONNECTIONS))
        taken = [time_stopping(bench, client.read, name) for name in bench.names[-CHANGES:]]
        bench.add_times("a replica stopped in Nomad, until the REST API shows it", taken, "1 s")


def time_stopping(bench: Bench, read: Callable[[str, int, float], tuple[dict[str, object], int]], name: str) -> float:
    """Stop a replica behind Serai's back and follow the version by blocking reads until it is no longer ready."""
    path = f"/deployments/{name}/versions/1"
    answer, index = read(path, 0, 0)
    victim = next(each["id"] for each in list_replicas(answer) if each["ready"])
    start = time.time()
    bench.agent.api.put(f"/v1/allocation/{victim}/stop")
    while any(each["ready"] for each in list_replicas(answer) if each["id"] == victim):
        answer, index = read(path, index, 10)
    return time.time() - start


def list_replicas(answer: dict[str, object]) -> list[dict[str, object]]:
    found = answer["replicas"]
    assert isinstance(found, list)
    return found


def main() -> None:
    if reason := missing():
        print(f"skipped: {reason}")
        return
    logging.disable(logging.INFO)
    jobs, replicas = (int(text) for text in [*sys.argv[1:], "1000", "3"][:2])
    names = [f"model-{number:04}" for number in range(jobs)]
    with ExitStack() as stack:
        folder = stack.enter_context(make_folder("benchmark"))
        folder.chmod(0o711)  # the agent is nobody's
        ports = stack.enter_context(closing(Ports(jobs * replicas + 600)))
        agent = stack.enter_context(MockAgent(folder / "agent", find_nomad(), ports))
        agent.start().wait_ready()
        bench = Bench(agent, ports, names, replicas, [])
        serai = stack.enter_context(closing(make_serai(folder / "serai", agent)))
        start = time.perf_counter()
        deploy(serai, names, replicas)
        bench.add("deploying all, eight at a time: s", time.perf_counter() - start)
        await_running(agent, ports, jobs * replicas, 2 * PATIENCE_S)
        bench.add("until Nomad has them all run: s", time.perf_counter() - start)
        time.sleep(6)  # younger replicas are taken for starting ones, and asked when it is their turn
        measure_limits(bench)
        measure_scheduler(bench, folder / "scheduler")
        measure_server(bench, serai)
        report("nomad", bench.rows)


if __name__ == "__main__":
    main()
