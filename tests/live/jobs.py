"""Plain Nomad jobs for tests, without a server of ours in between."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from tests.live.chroot import EXEC_PYTHON

SECOND = 1_000_000_000
SLEEP = "import time; time.sleep(3600)"


def make_config(driver: str, code: str, image: str = "") -> dict[str, Any]:
    """Return a task's config that runs Python `code` with one of the drivers raw_exec, exec and docker."""
    if driver == "docker":
        return {"image": image, "network_mode": "host", "command": "python3", "args": ["-c", code]}
    return {"command": sys.executable if driver == "raw_exec" else EXEC_PYTHON, "args": ["-c", code]}


def make_job(
    name: str, config: Mapping[str, Any] | None = None, driver: str = "raw_exec", count: int = 1, **keys: Any
) -> dict[str, Any]:
    """Return a service job of one task, which sleeps unless `config` says otherwise. `keys` are further ones of it."""
    task = {
        "Name": "server",
        "Driver": driver,
        "Config": dict(config if config is not None else make_config(driver, SLEEP)),
        "Resources": {"CPU": 50, "MemoryMB": 64},
        "KillTimeout": SECOND,
    }
    wait = {"MinHealthyTime": SECOND, "HealthyDeadline": 60 * SECOND}
    group = {
        "Name": "model",
        "Count": count,
        "Tasks": [task],
        "ReschedulePolicy": {"Unlimited": True, "Delay": 5 * SECOND, "DelayFunction": "constant"},
        "Migrate": {"MaxParallel": 1, "HealthCheck": "task_states"} | wait,
    }
    job = {"ID": name, "Type": "service", "Datacenters": ["*"], "Update": {"MaxParallel": 0}, "TaskGroups": [group]}
    return job | keys
