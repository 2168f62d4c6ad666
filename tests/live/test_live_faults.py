"""Three servers, two clients, and whatever may happen to them: what can be served is served, and no state is wrong.

A watcher reads all the time and notes what must never be (see watcher.py). `SERAI_FAULTS=300` makes the random test
last for so many seconds.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.live import leftovers
from tests.live.agent import Agent
from tests.live.api import Refused
from tests.live.cluster import Cluster
from tests.live.leftovers import make_folder
from tests.live.serai_server import NomadInstallation
from tests.live.watcher import Watcher
from tests.processes import find_replica
from tests.system.deploying import put_folder
from tests.system.installation import make_model
from tests.system.load import Load
from tests.system.users import Users
from tests.waiting import eventually

SECONDS = float(os.environ.get("SERAI_FAULTS", "15"))
pytestmark = [pytest.mark.xdist_group("nomad-faults"), pytest.mark.slow, pytest.mark.timeout(180 + 3 * SECONDS)]

SMALL = "resources: {cpu: 100MHz, memory: 64MiB}\n"
# Nomad's own check, relayed by clients: there is more to fail than where Serai probes itself.
CHECKED = "health: {http: /, interval: 1s}\n" + SMALL
MANIFEST = "replicas: 2\ndrain_timeout: 5s\n" + CHECKED
STEADY = "steady"


class Bench:
    """A cluster, a Serai on it, and `steady`, a deployment with a replica on each of two nodes."""

    def __init__(self, cluster: Cluster, serai: NomadInstallation, folder: Path) -> None:
        self.cluster = cluster
        self.serai = serai
        self._folder = folder
        self._changes = 0
        self.make(STEADY, MANIFEST)
        self.deploy(STEADY)
        self.rest()

    def restore(self) -> None:
        """Bring `steady` back to two replicas on two nodes, whatever the test before did, or failed to do."""
        seen = self.look()
        if not seen["active"] or seen["count"] != 2:
            self.change({"count": 2})
            self.deploy(STEADY)
        self.rest()
        if len({replica["node"] for replica in self.replicas()}) < 2:
            self.deploy(STEADY)
            eventually(lambda: len({replica["node"] for replica in self.replicas()}) == 2, 60, 0.1)
            self.rest()

    def make(self, name: str, manifest: str) -> Path:
        return make_model(self._folder / name, manifest)

    def deploy(self, name: str) -> None:
        """Deploy a version that differs from all before."""
        folder = self._folder / name
        self._changes += 1
        (folder / "change").write_text(str(self._changes))
        with self.serai.client() as client:
            put_folder(client, folder)

    def look(self, name: str = STEADY) -> dict[str, Any]:
        with self.serai.client() as client:
            return dict(client.get_deployment(name))

    def replicas(self) -> list[dict[str, Any]]:
        """Return the ready replicas of the active version."""
        seen = self.look()
        active = next(version for version in seen["versions"] if version["number"] == seen["active"])
        return [replica for replica in active["replicas"] if replica["ready"]]

    def rest(self) -> None:
        """Wait until all that is wanted of `steady`, which runs, is ready, and nothing else lives."""
        for agent in (*self.cluster.servers, *self.cluster.clients):
            _await_ready(agent)
        try:
            eventually(lambda: self.look()["active"] and self.rests(), 60, 0.1)
        except AssertionError as error:
            raise AssertionError(f"{STEADY} does not come to rest: {self.describe()}") from error

    def describe(self) -> str:
        """Return what there is to know of `steady` where a test fails."""
        seen = self.look()
        versions = [
            {key: version[key] for key in ("number", "state", "reason", "ready", "wanted", "stale")}
            | {"replicas": [{k: r[k] for k in ("id", "node", "phase", "reason")} for r in version["replicas"]]}
            for version in seen["versions"][:3]
        ]
        told = {key: seen[key] for key in ("active", "incumbent", "count", "handing")}
        return f"{told}\n{json.dumps(versions, indent=1)}"

    def change(self, values: dict[str, object], name: str = STEADY) -> None:
        with self.serai.client() as client:
            client.change_deployment(name, values)

    def client_of(self, replica: dict[str, Any]) -> Agent:
        return next(client for client in self.cluster.clients if client.name == replica["node"])

    def jobs(self) -> set[str]:
        """Return the jobs that are to run; AssertionError while Nomad has no leader, as may be on a busy machine."""
        try:
            return {row["ID"] for row in self.cluster.api.get("/v1/jobs") if not row["Stop"]}
        except (Refused, OSError) as error:
            raise AssertionError(f"Nomad does not list its jobs: {error}") from error

    def await_jobs(self, *expected: str) -> None:
        """Wait until exactly these jobs are to run."""
        try:
            eventually(lambda: self.jobs() == set(expected), 60, 0.1)
        except AssertionError as error:
            raise AssertionError(f"jobs to run: not {sorted(expected)}: {error}; {self.describe()}") from error

    def kill_our_server(self, dice: random.Random) -> None:
        time.sleep(dice.uniform(0, 1.5))
        print(f"{time.strftime('%H:%M:%S')} Serai's server is killed", flush=True)
        self.serai.kill_server()
        self.serai.start_server()

    def await_rest(self, known: Mapping[str, set[int]]) -> dict[str, int | None]:
        """Wait until deployments are as they are wanted, with every version that was ever seen; return what is active.

        A count of 0 needs no job, and has none.
        """
        active: dict[str, int | None] = {}
        for name, numbers in known.items():
            eventually(lambda name=name: self.rests(name), 90, 0.2)  # type: ignore[misc]
            seen = self.look(name)
            assert numbers <= {version["number"] for version in seen["versions"]}
            active[name] = seen["active"] if seen["count"] else None
        return active

    @contextmanager
    def under_load(self, method: str = "GET", also: Collection[str] = ()) -> Iterator[Load]:
        """Call `steady` all the time, and watch it and others."""
        load = Load(self.serai.gateway, f"/{STEADY}/", threads=3, pause_s=0.06, method=method)
        watcher = Watcher(self.serai, [STEADY, *also])
        begun = time.monotonic()
        with watcher.watching(), load.running():
            eventually(lambda: sum(load.answers.values()) > 60, 30)
            yield load
            more = load.count
            eventually(lambda: load.count > more + 60, 30)
        took_s = time.monotonic() - begun
        print(f"{load.count} requests, {len(load.failures)} failed, {watcher.looks} looks, {took_s:.1f} s")
        assert watcher.wrong == []
        assert watcher.looks > 5

    def rests(self, name: str = STEADY) -> bool:
        """Return whether all that is wanted is ready, and nothing else lives."""
        seen = self.look(name)
        live = [replica for version in seen["versions"] for replica in version["replicas"] if replica["live"]]
        wanted = seen["count"] if seen["active"] else 0
        is_known = not any(version["stale"] for version in seen["versions"])
        return is_known and seen["incumbent"] is None and [replica["ready"] for replica in live] == [True] * wanted


@pytest.fixture(scope="module")
def bench(nomad: Path) -> Iterator[Bench]:
    with ExitStack() as stack:
        folder = stack.enter_context(make_folder("faults"))
        cluster = stack.enter_context(Cluster(folder / "nomad", nomad, 3, 2, exec=False))
        serai = stack.enter_context(closing(NomadInstallation(folder / "serai", cluster)))
        serai.start()
        yield Bench(cluster, serai, folder)


@pytest.fixture
def ready(bench: Bench) -> Bench:
    """The bench, with two replicas on two nodes."""
    bench.restore()
    return bench


def test_a_leader_is_killed(ready: Bench) -> None:
    with ready.under_load("POST") as load:
        leader = ready.cluster.kill_leader()
        ready.change({"count": 3})  # while nobody leads
        eventually(lambda: len(ready.replicas()) == 3, 30, 0.1)
        leader.start().wait_ready()
        ready.change({"count": 2})
        ready.rest()
    assert load.failures == []


def test_a_client_is_killed_and_comes_back(ready: Bench) -> None:
    """Its replica runs on, seen by nobody; another stands in for it."""
    with ready.under_load() as load:
        victim = ready.replicas()[0]
        client = ready.client_of(victim)
        client.kill()
        eventually(lambda: len({r["id"] for r in ready.replicas()} - {victim["id"]}) == 2, 30, 0.1)
        client.start()
        ready.rest()
    assert load.failures == []


def test_a_machine_is_lost(ready: Bench) -> None:
    """Agent and processes die at once; what was in flight to them is called again elsewhere."""
    with ready.under_load() as load:
        victim = ready.replicas()[0]
        client = ready.client_of(victim)
        client.kill()
        leftovers.end_processes(client.folder)
        eventually(lambda: len({r["id"] for r in ready.replicas()} - {victim["id"]}) == 2, 30, 0.1)
        client.start()
        ready.rest()
    assert load.failures == []


def test_a_client_is_cut_off_for_a_while(ready: Bench) -> None:
    """Meanwhile a version that has to wait for the old one to go does not wait for what nobody can see."""
    with ready.under_load() as load:
        victim = ready.replicas()[0]
        client = ready.client_of(victim)
        client.pause()
        try:
            eventually(lambda: len({r["id"] for r in ready.replicas()} - {victim["id"]}) == 2, 30, 0.1)
            ready.change({"handover": "replace"})
            ready.deploy(STEADY)
            eventually(lambda: ready.look()["incumbent"] is None and len(ready.replicas()) == 2, 30, 0.1)
        finally:
            client.resume()
        ready.change({"handover": "auto"})
        ready.rest()
    assert load.failures == []


def test_a_node_is_drained(ready: Bench) -> None:
    """No POST fails, so no replica ends before the gateway has stopped calling it."""
    with ready.under_load("POST") as load:
        victim = ready.replicas()[0]
        client = ready.client_of(victim)
        ready.cluster.drain(client)
        eventually(lambda: {r["node"] for r in ready.replicas()} == {_other(ready, client).name}, 40, 0.1)
        eventually(lambda: len(ready.replicas()) == 2, 40, 0.1)
        ready.cluster.end_drain(client)
    assert load.failures == []


def test_agents_are_restarted(ready: Bench) -> None:
    with ready.under_load("POST") as load:
        before = {replica["id"] for replica in ready.replicas()}
        for agent in (*ready.cluster.clients, *ready.cluster.servers):
            _restart(agent)
        ready.rest()
        assert {replica["id"] for replica in ready.replicas()} == before, "replicas outlive their agents"
    assert load.failures == []


def test_nomad_forgets_what_is_over_in_the_middle_of_a_handover(ready: Bench) -> None:
    with ready.under_load("POST") as load:
        ready.deploy(STEADY)
        number = ready.look()["active"]
        deadline = time.monotonic() + 40
        while not (ready.look()["incumbent"] is None and ready.rests()):
            assert time.monotonic() < deadline
            ready.cluster.api.put("/v1/system/gc")
        ready.cluster.api.put("/v1/system/gc")
        assert ready.look()["active"] == number
    assert load.failures == []
    ready.await_jobs(f"{STEADY}-v{number}")


def test_nomad_does_not_answer_for_a_while(ready: Bench) -> None:
    with ready.under_load("POST") as load:
        for server in ready.cluster.servers:
            server.pause()
        try:
            begun = time.monotonic()
            eventually(lambda: ready.look()["versions"][0]["stale"], 10, 0.1)
            assert ready.look()["state"] == "running"
            time.sleep(max(0.0, 20 - (time.monotonic() - begun)))
        finally:
            for server in ready.cluster.servers:
                server.resume()
        eventually(lambda: not ready.look()["versions"][0]["stale"], 30, 0.1)
        ready.rest()
    assert load.failures == []


def test_our_server_is_killed_while_it_works(ready: Bench) -> None:
    dice = random.Random(_seed())
    with ready.under_load("POST") as load:
        ready.deploy(STEADY)
        number = ready.look()["active"]
        ready.kill_our_server(dice)
        ready.change({"count": 3})
        ready.kill_our_server(dice)
        eventually(lambda: ready.look()["active"] == number and ready.rests(), 60, 0.1)
        assert len(ready.replicas()) == 3
        ready.change({"count": 2})
        ready.kill_our_server(dice)
        ready.rest()
    assert load.failures == []
    with ready.serai.client() as client:
        client.stop_deployment(STEADY)
    ready.kill_our_server(dice)
    ready.await_jobs()
    with ready.serai.client() as client:
        client.start_version(STEADY, number)
    ready.kill_our_server(dice)
    ready.rest()
    ready.await_jobs(f"{STEADY}-v{number}")


def test_whatever_happens_nothing_is_lost_doubled_or_left(ready: Bench) -> None:
    seed = _seed()
    kinds = {"probed": SMALL, "checked": CHECKED}
    folders = {name: ready.make(name, "drain_timeout: 2s\n" + manifest) for name, manifest in kinds.items()}
    for name in folders:
        ready.deploy(name)
    users, faults = Users(ready.serai, folders, seed), Faults(ready, random.Random(seed))
    with ready.under_load(also=folders) as load:
        users.start()
        faults.go_on(SECONDS)
        users.stop()
        faults.mend()
        ready.rest()
    print(f"{faults.count} faults, {users.done} calls of users")
    assert load.failures == []
    assert users.done > SECONDS / 10
    active = ready.await_rest(users.known) | {STEADY: ready.look()["active"]}
    ready.await_jobs(*(f"{name}-v{number}" for name, number in active.items() if number))


class Faults:
    """One fault after the other, some of them at the same time."""

    def __init__(self, bench: Bench, dice: random.Random) -> None:
        self._bench = bench
        self._dice = dice
        self.count = 0
        self._all: list[Callable[[], None]] = [
            self.kill_a_server,
            self.kill_a_client,
            self.pause_a_client,
            self.pause_all_servers,
            self.restart_a_server,
            self.restart_a_client,
            self.kill_a_replica,
            self.drain_a_node,
            self.forget,
            lambda: bench.kill_our_server(dice),
        ]

    def go_on(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            fault = self._dice.choice(self._all)
            print(f"{time.strftime('%H:%M:%S')} {getattr(fault, '__name__', fault)}", flush=True)
            fault()
            self.count += 1
            time.sleep(self._dice.uniform(0, 1))

    def mend(self) -> None:
        for client in self._bench.cluster.clients:
            self._bench.cluster.end_drain(client)

    def kill_a_server(self) -> None:
        """The leader, half of the time."""
        cluster = self._bench.cluster
        victim = cluster.leader() if self._dice.random() < 0.5 else self._dice.choice(cluster.servers)
        victim.kill()
        self._pause()
        victim.start().wait_ready()

    def kill_a_client(self) -> None:
        client = self._client()
        client.kill()
        self._pause()
        client.start().wait_ready()

    def pause_a_client(self) -> None:
        client = self._client()
        client.pause()
        self._pause()
        client.resume()
        client.wait_ready()

    def pause_all_servers(self) -> None:
        for server in self._bench.cluster.servers:
            server.pause()
        self._pause()
        for server in self._bench.cluster.servers:
            server.resume()
        for server in self._bench.cluster.servers:
            server.wait_ready()

    def restart_a_server(self) -> None:
        _restart(self._dice.choice(self._bench.cluster.servers))

    def restart_a_client(self) -> None:
        _restart(self._client())

    def kill_a_replica(self) -> None:
        """One of two that are ready, so that the other can answer."""
        found = self._bench.replicas()
        if len(found) == 2:
            find_replica(found[0]["id"])[0].kill()
            eventually(lambda: len(self._bench.replicas()) == 2, 60, 0.1)

    def drain_a_node(self) -> None:
        client = self._client()
        self._bench.cluster.drain(client)
        self._pause()
        self._bench.cluster.end_drain(client)

    def forget(self) -> None:
        self._bench.cluster.api.put("/v1/system/gc")

    def _client(self) -> Agent:
        return self._dice.choice(self._bench.cluster.clients)

    def _pause(self) -> None:
        time.sleep(self._dice.uniform(0, 5))


def _await_ready(agent: Agent) -> None:
    """Wait for an agent, and restart one that does not find back: Nomad's do so once in some ten silences."""
    try:
        agent.wait_ready()
    except AssertionError:
        print(f"{agent.name} did not find back by itself and is restarted; its log ends:\n{agent.tail(6000)}")
        agent.restart(signal.SIGKILL)


def _restart(agent: Agent) -> None:
    """End it in order, or by force where it hangs at its end, as Nomad's agents do now and then."""
    try:
        agent.restart()
    except subprocess.TimeoutExpired:
        agent.restart(signal.SIGKILL)


def _seed() -> int:
    seed = int(os.environ.get("SERAI_SEED", random.SystemRandom().randrange(10**6)))
    print(f"SERAI_SEED={seed}")
    return seed


def _other(bench: Bench, client: Agent) -> Agent:
    return next(each for each in bench.cluster.clients if each is not client)
