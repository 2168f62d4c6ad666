"""What the shim is told: `replica.json` and `env.json`."""

from __future__ import annotations

import json
from pathlib import Path

from serai_local.layout import ReplicaDir


class Task:
    """The contents of a replica's record, typed. `launch.make_record` of the server writes them."""

    def __init__(self, place: ReplicaDir) -> None:
        record = json.loads(place.record.read_text())
        environments = json.loads(place.env.read_text())
        self.id: str = record["id"]
        self.workload: str = record["workload"]
        self.bundle: str = record["bundle"]  # path of the archive, "" for none
        self.bundle_digest: str = record["bundle_digest"]
        self.source_root: str = record["source_root"]  # where the package `serai` lies
        self.command: str | list[str] = record["command"]
        self.port: int = record["port"]
        self.path: str = record["path"]  # of the HTTP check, "" for a TCP check
        self.interval_s: float = record["interval_s"]
        self.timeout_s: float = record["timeout_s"]
        self.drain_s: float = record["drain_s"]
        self.attempts: int = record["attempts"]
        self.memory_bytes: int | None = record["memory_bytes"]
        self.backoff_s: float = record["backoff_s"]
        self.max_backoff_s: float = record["max_backoff_s"]
        self.memory_check_s: float = record["memory_check_s"]
        self.log_file_bytes: int = record["log_file_bytes"]
        self.log_files: int = record["log_files"]
        self.hints = Path(record["hints"])
        self.environments = Path(record["environments"])
        self.uv: str = record["uv"]  # path of uv, "" for none
        self.has_pip: bool = record["has_pip"]  # can install into the environments of others
        self.python: str = record["python"]
        self.model_env: dict[str, str] = environments["model"]
        self.tool_env: dict[str, str] = environments["tools"]
