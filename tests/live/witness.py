"""A scheduler on a real Nomad and a witness beside it: when Nomad knows something, what Serai says, and how soon."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serai.domain.manifest import parse_manifest
from serai.domain.observation import Observation, Workload
from serai.domain.reasons import Reason
from serai.plugin import PluginContext, Scheduler
from serai_nomad.plugin import NomadPlugin
from tests.live.agent import Agent
from tests.live.api import HarnessApi
from tests.live.bundle_server import BundleServer, serve_bundles
from tests.live.cluster import Cluster
from tests.live.sentences import Sentences
from tests.live.serai_server import make_place
from tests.waiting import eventually

Json = dict[str, Any]
WITHIN_S = 5.0
NEXT = "; try 2 starts at "  # what follows a cause until the next try
_QUICK = {"bundle_driver": "raw_exec", "drivers": ["exec"], "shutdown_delay": "0s", "reserve_cores": False}


@dataclass(slots=True)
class Witness:
    """`know` waits until Nomad itself, asked by plain calls, shows a fact; `hear` is what is said of it in time."""

    scheduler: Scheduler
    api: HarnessApi
    namespace: str
    sentences: Sentences
    bundles: BundleServer
    known_at: float = 0.0
    versions: dict[str, int] = field(default_factory=dict)

    def submit(self, name: str, count: int = 1, **manifest: Any) -> str:
        """Submit a version of the manifest and return its job's id. A test that is run again gets another version."""
        if number := self.versions.get(name, 0):
            self.await_end(f"{name}-v{number}")
        self.versions[name] = number + 1
        return self.scale(name, count, **manifest)

    def scale(self, name: str, count: int, **manifest: Any) -> str:
        """Submit the newest version again, with another count."""
        number = self.versions[name]
        parts = parse_manifest({"command": ["/bin/sleep", "3600"], "drain_timeout": "1s"} | manifest, name)
        env = {"SERAI_DEPLOYMENT": name, "SERAI_VERSION": str(number), **parts.secrets}
        self.scheduler.submit(Workload(f"{name}-v{number}", name, number, parts.spec, f"{name}-{number}", count, env))
        self.known_at = time.monotonic()
        return f"{name}-v{number}"

    def end(self, *jobs: str) -> None:
        """Stop jobs; `await_end` tells when others have their room."""
        for job in jobs:
            self.scheduler.stop(job)

    def await_end(self, *jobs: str) -> None:
        self.end(*jobs)
        eventually(lambda: not any(row["ClientStatus"] in {"pending", "running"} for row in self.rows(*jobs)), 20, 0.05)

    def add_bundle(self, files: Mapping[str, str], served: bytes | None = None) -> str:
        """Make a bundle that the scheduler has; nodes get `served` for it, or the bundle itself for None."""
        digest = self.bundles.add(files)
        name = digest.removeprefix("sha256:")
        shutil.copy(self.bundles.folder / name, self.bundles.folder.parent / "kept" / name)
        if served is not None:
            (self.bundles.folder / name).write_bytes(served)
        return digest

    # what Nomad knows

    def rows(self, *jobs: str) -> list[Json]:
        """Return the allocations of jobs as Nomad lists them, the newest first."""
        rows = [row for job in jobs for row in self.api.allocations(job, self.namespace)]
        return sorted(rows, key=lambda row: int(row["CreateIndex"]), reverse=True)

    def know(self, fact: Callable[[], object], timeout_s: float = 20) -> None:
        """Wait until Nomad shows a fact, and note the time."""
        eventually(fact, timeout_s, 0.05)
        self.known_at = time.monotonic()

    def know_event(self, job: str, type: str, words: str = "", task: str = "server", timeout_s: float = 20) -> Json:
        """Wait for an event of a task, of that type and with those words; return the first."""
        found: list[Json] = []

        def is_there() -> bool:
            states = [(row["TaskStates"] or {}).get(task) or {} for row in self.rows(job)]
            events = [event for state in states for event in state.get("Events") or ()]
            found[:] = [event for event in events if event["Type"] == type and words in event["DisplayMessage"]]
            return bool(found)

        try:
            self.know(is_there, timeout_s)
        except AssertionError:
            raise AssertionError(f"no {type} {words!r}; {self.api.events(job, self.namespace)}") from None
        return found[0]

    def know_blocked(self, job: str) -> None:
        """Wait until Nomad has found no place."""
        path = f"/v1/job/{job}/evaluations"
        self.know(lambda: any(e["Status"] == "blocked" for e in self.api.get(path, namespace=self.namespace)))

    def know_check(self, job: str, status: str) -> None:
        """Wait until the newest running replica's checks all have that status."""

        def is_so() -> bool:
            running = [row["ID"] for row in self.rows(job) if row["ClientStatus"] == "running"]
            checks = self.api.get(f"/v1/client/allocation/{running[0]}/checks") if running else {}
            return bool(checks) and all(check["Status"] == status for check in checks.values())

        self.know(is_so)

    # what is said

    def look(self, job: str) -> Observation | None:
        return self.scheduler.observe([job]).get(job)

    def look_again(self, job: str) -> Observation:
        """Return what is seen of a job that is there."""
        seen = self.look(job)
        assert seen is not None, f"{job} is not there"
        return seen

    def hear(self, job: str, code: str, *words: str, scenario: str = "", log: str = "", is_ours: bool = True) -> Reason:
        """Return the reason of that code and with these words in its sentence; fail if it takes longer than promised.

        `log`: a line that it has to quote. The sentence is kept as that of the `scenario`, by default the job's;
        `is_ours` as in Sentences.take.
        """
        seen: Observation | None = None
        deadline = self.known_at + WITHIN_S
        while time.monotonic() < deadline:
            seen = self.look(job)
            for reason in reasons_of(seen):
                if (
                    reason.code == code
                    and all(word in reason.text for word in words)
                    and (not log or log in reason.log)
                ):
                    self.sentences.take(scenario or job.rpartition("-v")[0], reason, is_ours)
                    return reason
            time.sleep(0.05)
        raise AssertionError(f"{job}: no {code} with {words}, {log!r} within {WITHIN_S} s; said was {reasons_of(seen)}")

    def await_running(self, job: str, count: int = 1) -> None:
        """Wait until Nomad runs as many replicas."""
        self.know(lambda: sum(row["ClientStatus"] == "running" for row in self.rows(job)) == count)

    def await_ready(self, job: str, count: int = 1) -> None:
        def is_ready() -> bool:
            seen = self.look(job)
            return seen is not None and sum(replica.ready for replica in seen.replicas) == count

        eventually(is_ready, 30, 0.05)


def reasons_of(seen: Observation | None) -> list[Reason]:
    """Return every reason of an observation, the workload's own first."""
    if seen is None:
        return []
    said = [seen.failed, seen.waiting, *(replica.reason for replica in seen.replicas)]
    return [reason for reason in said if reason is not None]


@contextmanager
def open_witness(nomad: Agent | Cluster, folder: Path, names: Mapping[str, str], **settings: Any) -> Iterator[Witness]:
    """Open a scheduler on a namespace of its own, which is purged at the end. `settings` are of the plugin."""
    for name in ("bundles", "kept"):
        (folder / name).mkdir(parents=True)
    with serve_bundles(folder / "bundles") as bundles, nomad.api.namespace() as namespace:
        table = make_place(nomad) | _QUICK | {"namespace": namespace, "bundle_url": bundles.url} | settings
        context = PluginContext(
            folder / "nomad", table, lambda digest: folder / "kept" / digest.removeprefix("sha256:"), bundles.url
        )
        with closing(NomadPlugin().serai_register_scheduler(context)) as scheduler:
            yield Witness(
                scheduler, nomad.api, namespace, Sentences(nomad.api, {namespace: "models", **names}), bundles
            )
