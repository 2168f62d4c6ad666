"""States that never lie, on a real agent: what is derived from its answers while models start, fail and end.

The facts are read here by plain calls, in the order that the translation asks for: only the translation is under test.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from serai.domain.observation import Observation, Phase, Replica
from serai.domain.reasons import Reason
from serai_nomad.facts import JobFacts, Remembered
from serai_nomad.state.observation import derive_observation
from tests.live.agent import Agent
from tests.live.api import Refused
from tests.live.jobs import SECOND, make_job

Json = dict[str, Any]
LISTEN = """
import http.server, os, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(STATUS())
        self.end_headers()
        self.wfile.write(b"loading the weights" if STATUS() == 503 else b"ok")
    def log_message(self, *_): pass
begin = time.monotonic()
print(os.getpid(), flush=True)
"""
SERVE = "http.server.HTTPServer(('127.0.0.1', int(os.environ['NOMAD_PORT_http'])), Handler).serve_forever()"
READY = LISTEN + "STATUS = lambda: 200\n" + SERVE
WARMING = LISTEN + "STATUS = lambda: 503 if time.monotonic() < begin + 4 else 200\n" + SERVE


def python(code: str) -> Json:
    return {"command": sys.executable, "args": ["-c", code]}


@dataclass(slots=True)
class Bed:
    """One job of a namespace and what is remembered of its replicas."""

    agent: Agent
    namespace: str
    job: str = "states-v1"
    digest: str = "one"
    memory: dict[str, Remembered] = field(default_factory=dict)

    def submit(self, config: Json, has_check: bool = True, **more: Any) -> None:
        job = make_job(self.job, config, Namespace=self.namespace, Meta={"serai.attempts": "3"})
        group = job["TaskGroups"][0]
        group["RestartPolicy"] = {"Attempts": 2, "Interval": 300 * SECOND, "Delay": SECOND, "Mode": "fail"}
        group["Networks"] = [{"Mode": "host", "DynamicPorts": [{"Label": "http"}]}]
        check = {"Name": "ready", "Type": "http", "Path": "/", "Interval": SECOND, "Timeout": SECOND}
        service = {"Name": self.job, "Provider": "nomad", "PortLabel": "http"}
        group["Services"] = [service | ({"Checks": [check]} if has_check else {})]
        group["Tasks"][0] |= more.pop("task", {})
        group["Tasks"] += more.pop("tasks", [])
        self.agent.api.register(job | more)

    def look(self) -> Observation:
        get, job = self.agent.api.get, f"/v1/job/{self.job}"
        definition = get(job, namespace=self.namespace)
        rows = get(f"{job}/allocations", namespace=self.namespace)
        checks = {row["ID"]: self._checks(row["ID"]) for row in rows if row["ClientStatus"] == "running"}
        evaluations = get(f"{job}/evaluations", namespace=self.namespace)
        group = definition["TaskGroups"][0]
        facts = JobFacts(
            id=self.job,
            digest=self.digest,
            count=0 if definition["Stop"] else group["Count"],
            is_stopped=definition["Stop"],
            version=definition["Version"],
            create_index=definition["CreateIndex"],
            has_check=bool(group["Services"][0]["Checks"]),
            definition=definition,
            allocations=tuple(rows),
            evaluations=tuple(evaluations),
            checks=checks,
            remembered=self.memory,
        )
        return self._remember(derive_observation(facts, None, datetime.now(UTC)), rows)

    def _checks(self, allocation: str) -> Json | None:
        try:
            return self.agent.api.get(f"/v1/client/allocation/{allocation}/checks") or {}
        except Refused:
            return None

    def _remember(self, seen: Observation, rows: list[Json]) -> Observation:
        restarts = {row["ID"]: ((row["TaskStates"] or {}).get("server") or {}).get("Restarts", 0) for row in rows}
        for replica in seen.replicas:
            if replica.ready:
                self.memory[replica.id] = Remembered(True, restarts[replica.id], replica.since)
        return seen

    def watch(self, until: Callable[[Observation], object], timeout_s: float = 40) -> list[Observation]:
        """Return what was seen until a condition held, each once."""
        story: list[Observation] = []
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            seen = self.look()
            if not story or story[-1] != seen:
                story.append(seen)
            if until(seen):
                return story
            time.sleep(0.05)
        raise AssertionError(f"not within {timeout_s} s: {story[-3:]}")


@pytest.fixture
def bed(agent: Agent, namespace: str) -> Bed:
    return Bed(agent, namespace)


def live(seen: Observation) -> list[Replica]:
    return [replica for replica in seen.replicas if replica.live]


def is_ready(seen: Observation) -> bool:
    return any(replica.ready for replica in seen.replicas)


def phases(story: list[Observation]) -> list[Phase]:
    """Return the phases that the live replicas went through, each once, in order."""
    return list(dict.fromkeys(replica.phase for seen in story for replica in live(seen)))


def reasons(story: list[Observation]) -> dict[str, Reason]:
    """Return the newest reason of each code that replicas gave."""
    return {r.reason.code: r.reason for seen in story for r in seen.replicas if r.reason}


def has_code(code: str) -> Callable[[Observation], object]:
    return lambda seen: any(replica.reason and replica.reason.code == code for replica in seen.replicas)


def test_a_model_that_answers_503_at_first(bed: Bed) -> None:
    bed.submit(python(WARMING))
    story = bed.watch(is_ready)
    assert phases(story)[-2:] == [Phase.CHECKING, Phase.READY]
    said = reasons(story)["checking"].text
    assert said == "The port is open, but the health check was answered with 503: loading the weights."


def test_a_crash_loop_goes_on_over_allocations(bed: Bed) -> None:
    bed.submit(python("raise SystemExit(7)"))
    story = bed.watch(lambda seen: max((r.crashes for r in live(seen)), default=0) >= 4)
    counts = [max((replica.crashes for replica in live(seen)), default=0) for seen in story]
    assert set(counts) >= {1, 2, 3, 4} and sorted(set(counts)) == [0, 1, 2, 3, 4]
    assert not any(seen.failed for seen in story), "Nomad goes on for ever; the deadline is ours"
    crashed = [r.reason for seen in story for r in live(seen) if r.crashes and r.reason]
    assert {(reason.code, reason.exit_code) for reason in crashed} == {("restarting", 7)}
    assert "rescheduling" in {seen.waiting.code for seen in story if seen.waiting}
    promised = {r.crashes for seen in story for r in live(seen) if r.reason and "; try " in r.reason.text}
    assert promised == {1, 2}, "three attempts are all there are"


def test_a_command_that_is_not_there(bed: Bed) -> None:
    bed.submit({"command": "/no/such/thing"}, has_check=False)
    story = bed.watch(lambda seen: any(replica.crashes for replica in seen.replicas))
    reason = reasons(story)["command-missing"]
    assert reason.text.startswith("The command /no/such/thing does not exist on node ")


def test_a_script_that_lacks_a_command(bed: Bed) -> None:
    bed.submit({"command": "/bin/sh", "args": ["-c", "no-such-program --serve"]}, has_check=False)
    story = bed.watch(has_code("command-missing"))
    assert reasons(story)["command-missing"].exit_code == 127


def test_an_installation_runs_before_the_model_and_may_fail(bed: Bed) -> None:
    install = {
        "Name": "install",
        "Driver": "raw_exec",
        "Lifecycle": {"Hook": "prestart", "Sidecar": False},
        "Config": {"command": "/bin/sh", "args": ["-c", "sleep 1; exit 4"]},
        "Resources": {"CPU": 50, "MemoryMB": 64},
    }
    bed.submit(python(READY), has_check=False, tasks=[install])
    story = bed.watch(has_code("install-failed"))
    assert Phase.INSTALLING in phases(story) and Phase.READY not in phases(story)
    assert reasons(story)["install-failed"].exit_code == 4
    assert reasons(story)["install-failed"].text.startswith("Installing requirements.txt failed with exit code 4")


def test_an_installation_that_ends_well(bed: Bed) -> None:
    install = {
        "Name": "install",
        "Driver": "raw_exec",
        "Lifecycle": {"Hook": "prestart", "Sidecar": False},
        "Config": {"command": "/bin/sh", "args": ["-c", "sleep 1"]},
        "Resources": {"CPU": 50, "MemoryMB": 64},
    }
    bed.submit(python(READY), tasks=[install])
    story = bed.watch(is_ready)
    seen = [phase for phase in phases(story) if phase is not Phase.LOADING]  # which may be too short to be seen
    assert seen in ([Phase.PLACED, Phase.INSTALLING, Phase.READY], [Phase.INSTALLING, Phase.READY])
    assert all(replica.crashes == 0 for seen in story for replica in seen.replicas)
    assert reasons(story).keys() <= {"placed", "installing", "loading"}


def test_a_secret_that_is_not_there(bed: Bed) -> None:
    template = {
        "EmbeddedTmpl": f'{{{{ with nomadVar "nomad/jobs/{bed.job}" }}}}KEY={{{{ .key }}}}\n{{{{ end }}}}',
        "DestPath": "secrets/serai.env",
        "Envvars": True,
        "ChangeMode": "noop",
    }
    bed.submit(python(READY), has_check=False, task={"Templates": [template]})
    (seen, *_) = bed.watch(has_code("secret-missing"))[-1:]
    reason = reasons([seen])["secret-missing"]
    assert reason.text == f"It waits for its secrets: there is no variable nomad/jobs/{bed.job}."
    bed.agent.api.put(
        f"/v1/var/nomad/jobs/{bed.job}",
        {"Path": f"nomad/jobs/{bed.job}", "Namespace": bed.namespace, "Items": {"key": "1"}},
        namespace=bed.namespace,
    )
    bed.watch(is_ready)
    bed.agent.api.delete(f"/v1/var/nomad/jobs/{bed.job}", namespace=bed.namespace)


def test_a_ready_replica_that_is_killed_comes_back(bed: Bed) -> None:
    bed.submit(python(READY))
    (replica,) = live(bed.watch(is_ready)[-1])
    os.kill(_pid(bed, replica.id), signal.SIGKILL)
    story = bed.watch(lambda seen: not is_ready(seen)) + bed.watch(is_ready)
    assert {replica.id for seen in story for replica in seen.replicas} == {replica.id}, "restarted where it is"
    reason = reasons(story)["killed"]
    assert reason.exit_code == -signal.SIGKILL
    assert reason.text.startswith("The process was killed by SIGKILL, probably because it used more than its 64 MiB")
    assert {replica.crashes for seen in story for replica in seen.replicas} == {0, 1}
    (again,) = live(story[-1])
    assert (again.ready, again.crashes, again.reason) == (True, 0, None)


def test_a_check_that_fails_after_it_passed(bed: Bed) -> None:
    dying = LISTEN + "STATUS = lambda: 200 if time.monotonic() < begin + 4 else 500\n" + SERVE
    bed.submit(python(dying))
    bed.watch(is_ready)
    story = bed.watch(has_code("check-failed"))
    (replica,) = live(story[-1])
    assert (replica.phase, replica.ready) == (Phase.CHECKING, False)
    assert replica.reason is not None
    text = "The health check fails, though it did pass before: the health check was answered with 500: ok."
    assert replica.reason.text == text


def test_a_stop_is_no_crash(bed: Bed) -> None:
    bed.submit(python(READY), task={"KillTimeout": 5 * SECOND})
    bed.watch(is_ready)
    bed.agent.api.delete(f"/v1/job/{bed.job}", namespace=bed.namespace)
    story = bed.watch(lambda seen: not live(seen))
    assert not any(is_ready(seen) for seen in story)
    assert {replica.crashes for seen in story for replica in seen.replicas} == {0}
    (ended,) = story[-1].replicas
    assert ended.reason is not None
    assert (ended.phase, ended.reason.code) == (Phase.ENDED, "not-needed")
    assert (story[-1].count, story[-1].waiting, story[-1].failed) == (0, None, None)


def test_somebody_stops_a_replica_by_hand(bed: Bed) -> None:
    bed.submit(python(READY))
    (replica,) = live(bed.watch(is_ready)[-1])
    bed.agent.api.put(f"/v1/allocation/{replica.id}/stop", {}, namespace=bed.namespace)
    story = bed.watch(lambda seen: is_ready(seen) and len(live(seen)) == 1 and live(seen)[0].id != replica.id)
    texts = [r.reason.text for seen in story for r in seen.replicas if r.id == replica.id and r.reason]
    assert set(texts) == {"Somebody stopped it in Nomad; another replica takes its place."}


def _pid(bed: Bed, allocation: str) -> int:
    """Return the process id that the model printed first."""
    path = f"/v1/client/fs/logs/{allocation}"
    text = bed.agent.api.get(path, task="server", type="stdout", plain="true", namespace=bed.namespace)
    return int(str(text).split()[0])
