"""Allocations, evaluations and checks as Nomad tells of them, made up for what no recording shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from serai_nomad.facts import JobFacts, Remembered

Json = dict[str, Any]
START = datetime(2026, 11, 23, 9, 0, 0, tzinfo=UTC)
REFUSED = 'nomad: Get "http://127.0.0.1:8000/healthz": dial tcp 127.0.0.1:8000: connect: connection refused'


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def nanoseconds(seconds: float) -> int:
    return int(after(seconds).timestamp() * 1e9)


def text_of(seconds: float) -> str:
    return after(seconds).isoformat().replace("+00:00", "Z")


def event(type: str, at: float = 1, message: str = "", **details: str) -> Json:
    return {"Type": type, "Time": nanoseconds(at), "DisplayMessage": message, "Details": details or None}


def terminated(code: int, signal: int = 0, at: float = 1, oom: bool = False) -> Json:
    details = {"exit_code": str(code), "signal": str(signal), "oom_killed": str(oom).lower()}
    return event("Terminated", at, f"Exit Code: {code}", **details)


def restarting(at: float = 1, pause_s: float = 2) -> Json:
    return event("Restarting", at, start_delay=str(int(pause_s * 1e9)), restart_reason="Restart within policy")


def task(state: str = "running", *events: Json, failed: bool = False, restarts: int = 0, started: float = 1) -> Json:
    return {
        "State": state,
        "Failed": failed,
        "Restarts": restarts,
        "StartedAt": text_of(started) if state != "pending" else None,
        "FinishedAt": text_of(started + 1) if state == "dead" else None,
        "Events": list(events),
    }


def stub(id: str = "a", client: str = "running", desired: str = "run", index: int = 0, **more: Any) -> Json:
    """Return an allocation; keyword arguments that are no keys of Nomad's are its tasks."""
    keys = {key: more.pop(key) for key in list(more) if key[0].isupper()}
    return {
        "ID": id,
        "Name": f"whisper-v1.model[{index}]",
        "NodeName": "n1",
        "JobVersion": 0,
        "DesiredStatus": desired,
        "ClientStatus": client,
        "DesiredDescription": "",
        "NextAllocation": "",
        "FollowupEvalID": "",
        "CreateTime": nanoseconds(0),
        "ModifyTime": nanoseconds(1),
        "TaskStates": more or None,
        **keys,
    }


def healthy(at: float = 5) -> Json:
    return {"Healthy": True, "Timestamp": text_of(at)}


def evaluation(status: str = "complete", trigger: str = "job-register", at: float = 0, **keys: Any) -> Json:
    return {
        "ID": f"e-{trigger}",
        "Status": status,
        "TriggeredBy": trigger,
        "CreateIndex": 20,
        "CreateTime": nanoseconds(at),
        "ModifyTime": nanoseconds(at),
        **keys,
    }


def check(status: str = "success", output: str = "nomad: http ok", code: int = 0) -> Json:
    return {"ready": {"Check": "ready", "Status": status, "Output": output, "StatusCode": code}}


DEFINITION: Json = {
    "ID": "whisper-v1",
    "NodePool": "gpu",
    "Datacenters": ["*"],
    "TaskGroups": [
        {
            "Name": "model",
            "Count": 1,
            "Tasks": [
                {"Name": "server", "Driver": "docker", "Resources": {"CPU": 1000, "MemoryMB": 512}},
                {"Name": "install", "Driver": "docker", "Resources": {"CPU": 100, "MemoryMB": 256}},
            ],
        }
    ],
}


def facts(
    allocations: Sequence[Json] = (),
    evaluations: Sequence[Json] = (evaluation(),),
    checks: dict[str, Json | None] | None = None,
    remembered: dict[str, Remembered] | None = None,
    **more: Any,
) -> JobFacts:
    values: dict[str, Any] = {
        "id": "whisper-v1",
        "digest": "one",
        "count": 1,
        "is_stopped": False,
        "version": 0,
        "create_index": 10,
        "definition": DEFINITION,
        **more,
    }
    return JobFacts(
        allocations=tuple(allocations),
        evaluations=tuple(evaluations),
        checks=checks or {},
        remembered=remembered or {},
        **values,
    )
