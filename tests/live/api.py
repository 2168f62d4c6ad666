"""The few calls to Nomad that the tests' own harness makes, by the standard library alone: it tests our clients."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from tests.waiting import eventually

TERMINAL = ("complete", "failed", "lost")


class Refused(Exception):
    """Nomad answered with an error; `status` is that of HTTP."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status} {text}")
        self.status = status


@dataclass(slots=True)
class HarnessApi:
    """Calls to one agent, with a token that may do everything where there are ACLs."""

    address: str
    token: str = ""

    def get(self, path: str, **query: object) -> Any:
        return self.call("GET", path, None, query)

    def put(self, path: str, body: object = None, **query: object) -> Any:
        return self.call("PUT", path, body, query)

    def delete(self, path: str, **query: object) -> Any:
        return self.call("DELETE", path, None, query)

    def call(self, method: str, path: str, body: object, query: dict[str, object], timeout_s: float = 10) -> Any:
        """Return the decoded answer, None for an empty one. Raise Refused, or OSError where nobody answers."""
        url = f"{self.address}{path}" + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"X-Nomad-Token": self.token}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(error.code, error.read().decode(errors="replace").strip()) from None
        try:
            return json.loads(text) if text else None
        except ValueError:
            return text.decode(errors="replace")

    # jobs

    def register(self, job: dict[str, Any]) -> None:
        """Register a job (the value of the key `Job`)."""
        self.put("/v1/jobs", {"Job": job})

    def allocations(self, job: str, namespace: str = "default") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(f"/v1/job/{quote(job, safe='')}/allocations", namespace=namespace)
        return found

    def wait_running(self, job: str, count: int = 1, namespace: str = "default", timeout_s: float = 20) -> list[str]:
        """Return the ids of `count` running allocations of a job, once there are as many; else fail with its events."""

        def running() -> list[str]:
            rows = self.allocations(job, namespace)
            return sorted(row["ID"] for row in rows if row["ClientStatus"] == "running")

        try:
            eventually(lambda: len(running()) == count, timeout_s, 0.1)
        except AssertionError:
            raise AssertionError(f"{job}: not {count} running: {self.events(job, namespace)}") from None
        return running()

    def events(self, job: str, namespace: str = "default") -> list[str]:
        """Return what happened to a job's tasks, in Nomad's words."""
        states = [row["TaskStates"] or {} for row in self.allocations(job, namespace)]
        return [event["DisplayMessage"] for state in states for task in state.values() for event in task["Events"]]

    # nodes

    def nodes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/v1/nodes")
        return found

    def node(self, name: str) -> dict[str, Any] | None:
        """Return the row of the node of that name; the newest, if a client came back as another node."""
        rows = [row for row in self.nodes() if row["Name"] == name]
        return max(rows, key=lambda row: int(row["CreateIndex"]), default=None)

    def drain(self, node_id: str, deadline_s: float = 60) -> None:
        spec = {"Deadline": int(deadline_s * 1e9)}
        self.put(f"/v1/node/{node_id}/drain", {"DrainSpec": spec, "MarkEligible": False})

    def end_drain(self, node_id: str) -> None:
        self.put(f"/v1/node/{node_id}/drain", {"DrainSpec": None, "MarkEligible": True})

    def set_eligible(self, node_id: str, eligible: bool) -> None:
        self.put(
            f"/v1/node/{node_id}/eligibility",
            {"NodeID": node_id, "Eligibility": "eligible" if eligible else "ineligible"},
        )

    # namespaces

    @contextmanager
    def namespace(self, **keys: object) -> Iterator[str]:
        """Make a namespace, and delete it with everything in it. `keys` are further ones of Nomad's object."""
        name = f"t-{uuid.uuid4().hex[:8]}"
        self.put(f"/v1/namespace/{name}", {"Name": name} | keys)
        try:
            yield name
        finally:
            self.purge(name)
            eventually(lambda: self._delete_namespace(name), 10, 0.1)

    def purge(self, namespace: str, timeout_s: float = 40) -> None:
        """Stop and forget every job and variable of a namespace, once its tasks have ended."""
        jobs = [row["ID"] for row in self.get("/v1/jobs", namespace=namespace)]
        for job in jobs:
            self._delete_job(job, namespace)
        try:
            eventually(lambda: not self._alive(namespace), timeout_s, 0.1)
        except AssertionError:
            events = {job: self.events(job, namespace) for job in jobs}
            raise AssertionError(f"still alive: {self._alive(namespace)}; {events}") from None
        for job in jobs:
            self._delete_job(job, namespace, purge="true")
        for row in self.get("/v1/vars", namespace=namespace):
            self.delete(f"/v1/var/{quote(row['Path'])}", namespace=namespace)

    def _delete_job(self, job: str, namespace: str, **query: object) -> None:
        self.delete(f"/v1/job/{quote(job, safe='')}", namespace=namespace, **query)

    def _alive(self, namespace: str) -> list[str]:
        rows = self.get("/v1/allocations", namespace=namespace, task_states="false")
        return [row["ID"] for row in rows if row["ClientStatus"] not in TERMINAL]

    def _delete_namespace(self, name: str) -> bool:
        try:
            self.delete(f"/v1/namespace/{name}")
        except Refused as error:
            if "non-terminal" in str(error) or "still has" in str(error) or error.status >= 500:
                return False
            raise
        return True
