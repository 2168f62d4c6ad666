"""Jobs, allocations and evaluations in memory, and what Nomad would answer of them, for a StandIn's script."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any
from urllib.parse import unquote

from serai_nomad.names import GROUP, TASK
from tests.plugins.nomad_stand_in import Heard, Said

Json = dict[str, Any]
OURS = "here"


class Tables:
    """Every change moves the index of its table. `asked` counts the calls by path; those under `broken` fail."""

    def __init__(self) -> None:
        self.index = 10
        self.tables = {"jobs": 10, "allocations": 10, "evaluations": 10, "nodes": 10}
        self.jobs: dict[str, Json] = {}
        self.allocations: dict[str, Json] = {}
        self.evaluations: dict[str, Json] = {}
        self.versions: dict[str, list[Json]] = {}
        self.asked: Counter[str] = Counter()
        self.broken = ""
        self.listed = 0  # rows of allocations that were handed out in lists

    # what may happen

    def move(self, table: str) -> int:
        self.index += 1
        self.tables[table] = self.index
        return self.index

    def register(self, id: str, count: int = 1, digest: str = "d0", instance: str = OURS, **meta: str) -> Json:
        """Register a job, or a new version of it."""
        index, old = self.move("jobs"), self.jobs.get(id)
        self.jobs[id] = {
            "ID": id,
            "Namespace": "default",
            "Stop": False,
            "Meta": {"serai.managed": instance, "serai.digest": digest, "serai.probe": "1", **meta},
            "Version": old["Version"] + 1 if old else 0,
            "CreateIndex": old["CreateIndex"] if old else index,
            "JobModifyIndex": index,
            "TaskGroups": [{"Name": GROUP, "Count": count, "Tasks": [{"Name": TASK}]}],
        }
        self.versions.setdefault(id, []).insert(0, self.jobs[id])
        return self.jobs[id]

    def place(self, job: str, id: str, client: str = "running", **keys: Any) -> Json:
        """Add an allocation of the job's newest version, with the port 1 of a machine of its own."""
        index = self.move("allocations")
        ports = [{"Label": "http", "HostIP": f"10.0.0.{len(self.allocations) + 1}", "Value": 1}]
        self.allocations[id] = {
            "ID": id,
            "JobID": job,
            "Name": f"{job}.{GROUP}[0]",
            "NodeName": "n1",
            "DesiredStatus": "run",
            "ClientStatus": client,
            "JobVersion": self.jobs[job]["Version"],
            "CreateIndex": index,
            "ModifyIndex": index,
            "CreateTime": 10**18,
            "TaskStates": {TASK: {"State": "running", "Restarts": 0}},
            "AllocatedResources": {"Shared": {"Ports": ports}, "Tasks": {}},
            **keys,
        }
        return self.allocations[id]

    def update(self, id: str, **keys: Any) -> None:
        """Change an allocation, as its client does."""
        self.allocations[id] |= keys | {"ModifyIndex": self.move("allocations")}

    def evaluate(self, job: str, id: str, status: str = "complete", **keys: Any) -> None:
        index = self.move("evaluations")
        created = self.evaluations.get(id, {}).get("CreateIndex", index)
        self.evaluations[id] = {
            "ID": id, "JobID": job, "Status": status, "TriggeredBy": "job-register",
            "CreateIndex": created, "ModifyIndex": index, **keys,
        }  # fmt: skip

    def purge(self, id: str) -> None:
        """Forget a job and its allocations; its evaluations stay."""
        del self.jobs[id], self.versions[id]
        self.move("jobs")
        self.move("allocations")
        self.allocations = {key: row for key, row in self.allocations.items() if row["JobID"] != id}

    # what is answered

    def answer(self, heard: Heard) -> Said:
        path = heard.path.removeprefix("/v1/")
        is_index = "per_page" in heard.query
        self.asked["index" if is_index else path] += 1
        if self.broken and path.startswith(self.broken):
            return Said(403, "Permission denied")
        body = self._find(path, heard)
        if body is None:
            return Said(404, "not found")
        table = path.split("/")[0]
        return Said(body=body[:1] if is_index else body, headers={"X-Nomad-Index": str(self.tables.get(table, 0))})

    def _find(self, path: str, heard: Heard) -> Any:
        match [unquote(part) for part in path.split("/")]:
            case ["jobs"]:
                return [{k: v for k, v in job.items() if k != "TaskGroups"} for job in self.jobs.values()]
            case ["jobs", "statuses"]:
                named = {each["ID"] for each in heard.json["Jobs"]} if heard.method == "POST" else set(self.jobs)
                return [
                    {"ID": id, "Version": job["Version"], "GroupCountSum": job["TaskGroups"][0]["Count"]}
                    for id, job in self.jobs.items()
                    if id in named
                ]
            case ["allocations"]:
                left_out = {"TaskStates"} if heard.query.get("task_states") == ["false"] else set()
                left_out |= set() if "resources" in heard.query else {"AllocatedResources"}
                wanted = re.compile(self._read_filter(heard))
                found = [row for row in self.allocations.values() if wanted.search(row["JobID"])]
                self.listed += len(found) if "per_page" not in heard.query else 0
                return [{k: v for k, v in row.items() if k not in left_out} for row in found]
            case ["evaluations"]:
                return [row for row in self.evaluations.values() if row["Status"] in {"blocked", "pending"}]
            case ["job", id]:
                return self.jobs.get(id)
            case ["job", id, "versions"]:
                return {"Versions": self.versions[id]} if id in self.versions else None
            case ["job", id, "allocations"]:
                return [row for row in self.allocations.values() if row["JobID"] == id]
            case ["job", id, "evaluations"]:
                return [row for row in self.evaluations.values() if row["JobID"] == id]
            case ["allocation", id]:
                return self.allocations.get(id)
        return None

    def _read_filter(self, heard: Heard) -> str:
        match = re.fullmatch(r'JobID matches "(.*)"', heard.query.get("filter", ['JobID matches ""'])[0])
        assert match, f"no filter that Nomad is known to take: {heard.query}"
        return match[1]

    def take_asked(self) -> Counter[str]:
        """Return what was asked since the last call."""
        asked, self.asked = self.asked, Counter()
        return asked
