"""Our client of Nomad against real agents: calls, events, logs, statistics, and agents that die or freeze."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import pytest

from serai.domain.errors import Conflict, NotFound, SchedulerError, SchedulerUnavailable
from serai.domain.observation import LogLine, Stream
from serai_nomad.agent.api import NomadApi
from serai_nomad.agent.events import Connected, Event, EventStream, JobChanged, NodeChanged
from serai_nomad.record.logs import LogReader, LogSource, make_source
from serai_nomad.record.usage import derive_limits, derive_usage, is_unpublished
from serai_nomad.settings import NomadSettings
from tests.live.agent import Agent
from tests.live.cluster import Cluster
from tests.live.conftest import AgentFactory, ClusterFactory
from tests.live.jobs import SECOND, make_config, make_job
from tests.waiting import eventually

SERVE = "import http.server; http.server.test(http.server.SimpleHTTPRequestHandler, port={port}, bind='127.0.0.1')"
HCL = """
variable "count" { type = number }
variable "text" { type = string }
job "from-hcl" {
  meta { text = var.text }
  group "model" {
    count = var.count
    task "server" {
      driver = "raw_exec"
      config { command = "true" }
    }
  }
}
"""


@contextmanager
def client_of(*agents: Agent, namespace: str = "default", **settings: Any) -> Iterator[NomadApi]:
    addresses = tuple(agent.address for agent in agents)
    token = settings.pop("token", agents[0].api.token)
    with closing(NomadApi(NomadSettings(addresses=addresses, token=token, namespace=namespace, **settings))) as api:
        yield api


@pytest.fixture
def api(agent: Agent, namespace: str) -> Iterator[NomadApi]:
    with client_of(agent, namespace=namespace) as api:
        yield api


def run(api: NomadApi, name: str, code: str, restarts: int = 0, **task: Any) -> str:
    """Register a job that runs Python `code`; return the id of its allocation as soon as there is one."""
    job = make_job(name, make_config("raw_exec", code), Namespace=api.settings.namespace)
    job["TaskGroups"][0]["Tasks"][0] |= task
    job["TaskGroups"][0]["RestartPolicy"] = {"Attempts": restarts, "Delay": SECOND, "Mode": "fail"}
    job["TaskGroups"][0]["ReschedulePolicy"] = {"Attempts": 0, "Unlimited": False}
    api.register(job)
    return str(eventually(lambda: api.job_allocations(name), 10)[0]["ID"])


def wait_status(api: NomadApi, allocation: str, *statuses: str) -> None:
    eventually(lambda: api.allocation(allocation)["ClientStatus"] in statuses, 20)


# calls


def test_the_life_of_a_job(api: NomadApi) -> None:
    job = make_job("life", Namespace=api.settings.namespace)
    assert "shutdown_delay" not in api.validate(job)
    assert not api.plan(job)["FailedTGAllocs"]
    answer = api.register(job, enforce_index=0, source="{}")
    with pytest.raises(Conflict) as raised:
        api.register(job, enforce_index=0)
    assert raised.value.code == "changed-meanwhile"
    assert api.job("life")["JobModifyIndex"] == answer["JobModifyIndex"]
    api.register(job, enforce_index=answer["JobModifyIndex"])
    assert [version["Version"] for version in api.job_versions("life")] == [0], "the same job makes no new version"
    api.scale("life", 2, "for a test")
    eventually(lambda: len(api.job_allocations("life")) == 2, 10)
    assert {row["ID"] for row in api.list_jobs().rows} == {"life"}
    assert api.job_statuses(["life"]).rows[0]["GroupCountSum"] == 2
    assert all(row["Status"] == "complete" for row in api.job_evaluations("life"))
    api.evaluate("life")
    api.deregister("life")
    assert api.job("life")["Stop"] is True
    eventually(lambda: all(row["ClientStatus"] == "complete" for row in api.job_allocations("life")), 20)
    api.deregister("life", purge=True)
    with pytest.raises(NotFound, match="the job life"):
        api.job("life")
    api.deregister("life", purge=True)


def test_what_nomad_refuses_is_said_in_a_sentence(api: NomadApi) -> None:
    job = make_job("wrong", Namespace=api.settings.namespace)
    for change, text in (
        ({"NodePool": "no-such-pool"}, 'job "wrong" is in nonexistent node pool "no-such-pool"'),
        ({"TaskGroups": []}, "Missing job task groups"),
        ({"ID": "two words"}, "Job ID contains a space"),
    ):
        with pytest.raises(SchedulerError) as raised:
            api.register(job | change)
        assert (
            type(raised.value) is SchedulerError and text in raised.value.message and "\n" not in raised.value.message
        )
    with pytest.raises(SchedulerError, match="Missing job task groups"):
        api.validate(job | {"TaskGroups": []})
    for call in (lambda: api.evaluate("nobody"), lambda: api.scale("nobody", 1), lambda: api.job_versions("nobody")):
        with pytest.raises(NotFound):
            call()


def test_strange_ids_are_read_and_deleted(api: NomadApi) -> None:
    """Nomad accepts them; unquoted, they would be other jobs and other calls. One with `/versions` no quoting saves."""
    for id in ("strange?purge=true#x", "strange%2F"):
        api.register(make_job(id, Namespace=api.settings.namespace) | {"Name": "strange"})
        assert api.job(id)["ID"] == id
        api.deregister(id)
        eventually(lambda id=id: not _alive(api, id), 20)  # type: ignore[misc]
        api.deregister(id, purge=True)
        with pytest.raises(NotFound):
            api.job(id)


def _alive(api: NomadApi, id: str) -> bool:
    return any(row["ClientStatus"] in {"pending", "running"} for row in api.job_allocations(id))


def test_indexes_move_with_changes_only(api: NomadApi) -> None:
    before = eventually(lambda: _settled(api), 10)
    assert api.indexes() == before
    api.register(make_job("mover", Namespace=api.settings.namespace))
    after = api.indexes()
    assert after[0] > before[0] and after[2] > before[2]
    jobs = api.list_jobs()
    begun = time.monotonic()
    changed = threading.Timer(0.5, api.scale, ("mover", 0))
    changed.start()
    assert api.list_jobs(index=api.table_index("jobs"), wait_s=10).table_index > jobs.table_index
    assert time.monotonic() - begun < 8
    changed.join()


def _settled(api: NomadApi) -> tuple[int, int, int] | None:
    before = api.indexes()
    time.sleep(0.7)
    return before if api.indexes() == before else None


def test_variables(api: NomadApi) -> None:
    path = "nomad/jobs/secretive"
    written = api.put_variable(path, {"KEY": "v1"}, cas=0)
    with pytest.raises(Conflict):
        api.put_variable(path, {"KEY": "v2"}, cas=0)
    api.put_variable(path, {"KEY": "v2"}, cas=written["ModifyIndex"])
    assert api.get_variable(path)["Items"] == {"KEY": "v2"}
    assert [row["Path"] for row in api.list_variables("nomad/jobs/").rows] == [path]
    for _ in range(2):
        api.delete_variable(path)
    with pytest.raises(NotFound, match=path):
        api.get_variable(path)


@pytest.mark.parametrize(
    "text", ['a "quoted" text', "${not.an.interpolation}", "%{ if true }", "two\nlines", "gruß \\ x"]
)
def test_hcl_gets_any_text(api: NomadApi, text: str) -> None:
    job = api.parse_hcl(HCL, {"count": 3, "text": text})
    assert (job["Meta"]["text"], job["TaskGroups"][0]["Count"]) == (text, 3)


def test_hcl_that_is_wrong(api: NomadApi) -> None:
    with pytest.raises(SchedulerError, match='Unset variable "count"'):
        api.parse_hcl(HCL, {"text": "x"})


def test_the_cluster_itself(api: NomadApi, agent: Agent) -> None:
    assert api.agent_health()["server"]["ok"] is True
    assert api.regions() == ("global",)
    assert api.jwks()["keys"]
    assert api.agent_self()["config"]
    (node,) = (row for row in api.list_nodes().rows if row["Name"] == agent.name)
    assert node["NodeResources"]["Memory"]["MemoryMB"] > 0
    assert api.node(node["ID"])["Name"] == agent.name
    assert api.node_stats(node["ID"])["Memory"]["Total"] > 0


def test_checks(api: NomadApi) -> None:
    job = make_job("checked", make_config("raw_exec", _serve()), Namespace=api.settings.namespace)
    check = {"Name": "ready", "Type": "http", "Path": "/", "Interval": SECOND, "Timeout": SECOND}
    service = {"Name": "checked", "Provider": "nomad", "PortLabel": "http", "Checks": [check]}
    job["TaskGroups"][0] |= {"Networks": [{"DynamicPorts": [{"Label": "http"}]}], "Services": [service]}
    api.register(job)
    allocation = eventually(lambda: api.job_allocations("checked"), 10)[0]["ID"]
    eventually(lambda: _statuses(api, allocation) == {"success"}, 20)
    assert [row["AllocID"] for row in api.services("checked")] == [allocation]
    api.restart_allocation(allocation, "server")
    eventually(lambda: _restarts(api, allocation) == 1, 10)
    assert api.services("nobody") == ()
    assert api.allocation_checks("00000000-0000-0000-0000-000000000000") is None


def _restarts(api: NomadApi, allocation: str) -> int:
    found = api.allocation(allocation)
    assert "TaskStates" in found, found
    return int(found["TaskStates"]["server"]["Restarts"])


def _serve() -> str:
    port = "int(__import__('os').environ['NOMAD_PORT_http'])"
    return SERVE.format(port=port)


def _statuses(api: NomadApi, allocation: str) -> set[str]:
    return {check["Status"] for check in (api.allocation_checks(allocation) or {}).values()}


# events


class Ear(threading.Thread):
    """Hears events in the background."""

    def __init__(self, api: NomadApi) -> None:
        super().__init__(daemon=True)
        self.stream = EventStream(api)
        self.events: queue.Queue[Event] = queue.Queue()
        self.start()

    def run(self) -> None:
        for event in self.stream:
            self.events.put(event)

    def wait(self, wanted: Event, timeout_s: float = 5) -> None:
        """Wait for an event; fail without it."""
        until = time.monotonic() + timeout_s
        while self.events.get(timeout=max(0.01, until - time.monotonic())) != wanted:
            pass

    def close(self) -> None:
        self.stream.close()
        self.join(2)
        assert not self.is_alive()


def test_events_come_within_a_moment(api: NomadApi, agent: Agent) -> None:
    with closing(Ear(api)) as ear:
        ear.wait(Connected(has_nodes=True))
        api.register(make_job("heard", Namespace=api.settings.namespace))
        ear.wait(JobChanged("heard"), 1)
        eventually(lambda: ear.events.empty() or ear.events.get_nowait() is None, 3)
        agent.api.set_eligible(agent.node_id, False)
        try:
            ear.wait(NodeChanged(agent.node_id), 2)
        finally:
            agent.api.set_eligible(agent.node_id, True)


def test_events_of_other_namespaces_are_not_heard(api: NomadApi, agent: Agent) -> None:
    with agent.api.namespace() as other, closing(Ear(api)) as ear:
        ear.wait(Connected(has_nodes=True))
        agent.api.register(make_job("stranger", Namespace=other))
        api.register(make_job("mine", Namespace=api.settings.namespace))
        heard: list[Event] = []
        eventually(lambda: heard.append(ear.events.get(timeout=5)) or JobChanged("mine") in heard, 5)  # type: ignore[func-returns-value]
        assert JobChanged("stranger") not in heard


# logs


STORY = """
import os, sys, time
print("one"); print("two")
print("oops", file=sys.stderr)
sys.stdout.write("thr"); sys.stdout.flush()
time.sleep({pause})
sys.stdout.write("ee"); sys.stdout.flush()
sys.exit(3)
"""
FLOOD = """
import sys, time
for i in range(30000):
    sys.stdout.write("%08d " % i + "x" * (i % 170) + chr(10))
    if i % 1000 == 0:
        sys.stdout.flush()
        print("err", i, file=sys.stderr, flush=True)
        time.sleep(0.04)
"""


def read(api: NomadApi, allocation: str, after: str | None = None, stream: Stream | None = None) -> list[LogLine]:
    return list(LogReader(api).read(make_source(api.allocation(allocation)), stream, after))


def test_a_log_from_its_beginning_to_its_end(api: NomadApi) -> None:
    allocation = run(api, "story", STORY.format(pause=1.5))
    first = eventually(lambda: read(api, allocation), 10)
    wait_status(api, allocation, "failed")
    whole = read(api, allocation)
    assert [line.text for line in whole if line.stream is Stream.STDOUT] == ["one", "two", "three"]
    assert [line.text for line in whole if line.stream is Stream.STDERR] == ["oops"]
    assert "thr" not in {line.text for line in first}
    for place, line in enumerate(whole):
        assert read(api, allocation, line.cursor) == whole[place + 1 :]
    assert LogReader(api).tail(allocation) == ("oops",)


def test_following_a_flood_over_rotation_and_after_a_restart_of_ours(api: NomadApi) -> None:
    """A new reader each time: nothing depends on what one remembers."""
    allocation = run(api, "flood", FLOOD, LogConfig={"MaxFiles": 4, "MaxFileSizeMB": 1})
    found: list[LogLine] = []
    while True:
        is_over = api.allocation(allocation)["ClientStatus"] in {"complete", "failed"}
        found += read(api, allocation, found[-1].cursor if found else None)
        if is_over:
            break
        time.sleep(0.1)
    out = [line.text for line in found if line.stream is Stream.STDOUT]
    assert [int(line.split()[0]) for line in out] == list(range(30_000))
    assert all(len(line) == 9 + n % 170 for n, line in enumerate(out))
    assert [line.text for line in found if line.stream is Stream.STDERR] == [f"err {n}" for n in range(0, 30_000, 1000)]


def test_a_restart_goes_on_in_the_same_log(api: NomadApi) -> None:
    allocation = run(api, "again", "import time; print('born', flush=True); time.sleep(3600)", restarts=1)
    eventually(lambda: _told(read(api, allocation), Stream.STDOUT) == ["born"], 10)
    api.restart_allocation(allocation)
    eventually(lambda: _told(read(api, allocation), Stream.STDOUT) == ["born", "born"], 20)


def test_what_installs_comes_first_and_is_the_systems(api: NomadApi) -> None:
    job = make_job("two-tasks", make_config("raw_exec", "print('up', flush=True); import time; time.sleep(3600)"))
    install = {
        "Name": "install", "Driver": "raw_exec", "Lifecycle": {"Hook": "prestart"},
        "Config": make_config("raw_exec", "print('Collecting'); print('done', end='')"),
        "Resources": {"CPU": 50, "MemoryMB": 64},
    }  # fmt: skip
    job["TaskGroups"][0]["Tasks"].insert(0, install)
    api.register(job | {"Namespace": api.settings.namespace})
    allocation = eventually(lambda: api.job_allocations("two-tasks"), 10)[0]["ID"]
    wanted = [(Stream.SYSTEM, "Collecting"), (Stream.SYSTEM, "done"), (Stream.STDOUT, "up")]
    eventually(lambda: [(line.stream, line.text) for line in read(api, allocation)] == wanted, 15)
    assert LogReader(api).tail(allocation, "install") == ("Collecting", "done")


def test_frames_give_the_same_lines_as_files(agent: Agent, namespace: str, fresh_agent: AgentFactory) -> None:
    """A token with read-logs alone, beside one that may also read files."""
    guarded = fresh_agent(acl=True)
    rights = '"list-jobs", "read-job", "submit-job", "read-logs"'
    tokens = [_make_token(guarded, rights + more, f"p{n}") for n, more in enumerate(("", ', "read-fs"'))]
    with client_of(guarded, token=tokens[0]) as poor, client_of(guarded, token=tokens[1]) as rich:
        allocation = run(poor, "story", STORY.format(pause=0))
        wait_status(poor, allocation, "failed")
        by_frame, by_file = read(poor, allocation), read(rich, allocation)
        for stream in Stream:
            assert _told(by_frame, stream) == _told(by_file, stream)
        assert _told(by_file, Stream.STDOUT) == ["one", "two", "three"]
        for line in by_file:
            rest = {other.text for other in by_file[by_file.index(line) + 1 :]}
            assert {other.text for other in read(poor, allocation, line.cursor)} == rest
        with pytest.raises(SchedulerError, match=r'node \{ policy = "read" \}') as raised:
            poor.list_nodes()
        assert raised.value.code == "permission-denied"


def _told(lines: list[LogLine], stream: Stream) -> list[str]:
    return [line.text for line in lines if line.stream is stream]


def _make_token(agent: Agent, capabilities: str, name: str) -> str:
    policy = f'namespace "default" {{ capabilities = [{capabilities}] }}'
    agent.api.put(f"/v1/acl/policy/{name}", {"Name": name, "Rules": policy})
    made = agent.api.put("/v1/acl/token", {"Name": name, "Type": "client", "Policies": [name]})
    return str(made["SecretID"])


def test_collected_logs_are_told(fresh_agent: AgentFactory) -> None:
    agent = fresh_agent()
    with client_of(agent) as api:
        allocation = run(api, "short", "print('gone soon')")
        wait_status(api, allocation, "complete", "failed")
        assert [line.text for line in read(api, allocation)] == ["gone soon"]
        source = make_source(api.allocation(allocation))
        api.call("GET", f"/v1/client/allocation/{allocation}/gc")
        eventually(lambda: _is_collected(LogReader(api), source), 10)
        framed = LogReader(api)
        framed._denied_until = time.monotonic() + 60
        assert _is_collected(framed, source)
        assert framed.tail(allocation) == ()


def _is_collected(reader: LogReader, source: LogSource) -> bool:
    try:
        list(reader.read(source))
    except NotFound as error:
        return "gc_max_allocs" in error.message
    return False


# statistics


BUSY = "import time\nx = bytearray(20 << 20)\nwhile True: pass"


def test_statistics(api: NomadApi) -> None:
    allocation = run(api, "busy", BUSY)
    usage = eventually(lambda: _usage(api, allocation), 30, 0.5)
    assert usage.cpu_user > 0.1 and usage.cpu_system is not None
    assert usage.memory_used_bytes > 20 << 20 and usage.memory_total_bytes == 64 << 20


def _usage(api: NomadApi, allocation: str) -> Any:
    limits = derive_limits(api.allocation(allocation)["AllocatedResources"])
    usage = derive_usage(allocation, api.allocation_stats(allocation), limits)
    return usage if usage is not None and usage.cpu_user else None


# agents that die, freeze or refuse


@pytest.mark.slow
def test_a_cluster_that_loses_its_leader_and_a_client(cluster: ClusterFactory) -> None:
    made = cluster(servers=3, clients=1)
    with client_of(*made.servers) as api:
        allocation = run(api, "steady", "import time; time.sleep(3600)")
        wait_status(api, allocation, "running")
        _lose_leader(made, api)
        _freeze_client(made, api, allocation)


def _lose_leader(made: Cluster, api: NomadApi) -> None:
    """Reads and writes go on, within the 10 s that a new leader is waited for."""
    made.kill_leader()
    begun = time.monotonic()
    api.scale("steady", 1)
    assert api.job("steady")["ID"] == "steady"
    assert time.monotonic() - begun < 15
    assert [row["ID"] for row in api.list_jobs().rows] == ["steady"]


def _freeze_client(made: Cluster, api: NomadApi, allocation: str) -> None:
    """A node that does not answer keeps nobody: its checks are None, its logs are unavailable."""
    (client,) = made.clients
    assert api.allocation_checks(allocation) == {}
    client.pause()
    try:
        begun = time.monotonic()
        assert api.allocation_checks(allocation) is None
        assert time.monotonic() - begun < 4
    finally:
        client.resume()
    eventually(lambda: api.allocation_checks(allocation) == {}, 20)
    client.kill()
    eventually(lambda: api.allocation_checks(allocation) is None, 10)
    with pytest.raises(SchedulerUnavailable) as raised:
        read(api, allocation)
    assert raised.value.code == "node-unreachable"


def test_a_stream_that_is_denied_is_told(fresh_agent: AgentFactory, caplog: pytest.LogCaptureFixture) -> None:
    """Nomad denies it with silence; without the nodes' right alone the rest is heard."""
    agent = fresh_agent(acl=True)
    token = _make_token(agent, '"list-jobs", "read-job"', "reader")
    with client_of(agent, token=token) as api, closing(Ear(api)) as ear:
        ear.wait(Connected(has_nodes=False), 10)
    with (
        caplog.at_level(logging.WARNING, "serai_nomad.agent.events"),
        client_of(agent, token="00000000-0000-0000-0000-000000000000") as api,
        closing(Ear(api)),
    ):
        eventually(lambda: "lacks list-jobs" in caplog.text, 10)
        with pytest.raises(SchedulerError) as raised:
            api.list_jobs()
    assert raised.value.code == "permission-denied"


@pytest.mark.slow
def test_a_node_that_publishes_nothing_is_told(cluster: ClusterFactory) -> None:
    """A `-dev` agent would publish whatever its configuration says."""
    made = cluster(servers=1, clients=1, statistics=False)
    with client_of(*made.servers) as api:
        allocation = run(api, "quiet", "import time; time.sleep(3600)")
        wait_status(api, allocation, "running")
        time.sleep(3)  # as long as three intervals of collection
        stats = api.allocation_stats(allocation)
        assert derive_usage(allocation, stats) is None
        assert is_unpublished(stats, timedelta(seconds=31)) and not is_unpublished(stats, timedelta(seconds=3))
