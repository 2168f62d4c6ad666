"""Workloads and replicas on disk: what must survive the server."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from serai.domain.errors import SeraiError
from serai.domain.observation import Workload
from serai.domain.spec import Spec
from serai.domain.spec_text import decode_spec, encode_spec

from .layout import ReplicaDir, replace_file


@dataclass(frozen=True, slots=True)
class Placed:
    """What was decided about a replica when it was made: the server's part of `replica.json`."""

    id: str
    workload: str
    digest: str
    created_at: float
    port: int
    cores: float = 0.0
    memory_bytes: int | None = None
    gpus: tuple[str, ...] = ()


def save_workload(path: Path, workload: Workload) -> None:
    values = {
        "deployment": workload.deployment,
        "version": workload.version,
        "spec": encode_spec(workload.spec),
        "digest": workload.digest,
        "count": workload.count,
        "env": dict(workload.env),
        "leaving": list(workload.leaving),
    }
    replace_file(path, json.dumps(values))


def load_workload(folder: Path) -> Workload:
    """Return the workload of `folder`. One whose record is lost (a crash of the machine) is wanted no more."""
    try:
        values = json.loads((folder / "workload.json").read_text())
        return Workload(
            id=folder.name,
            deployment=values["deployment"],
            version=values["version"],
            spec=decode_spec(values["spec"]),
            digest=values["digest"],
            count=values["count"],
            env=values["env"],
            leaving=tuple(values["leaving"]),
        )
    except (OSError, ValueError, KeyError, TypeError, SeraiError):
        return Workload(folder.name, "", 0, Spec(), "", 0)


def dump_placed(placed: Placed) -> dict[str, object]:
    return asdict(placed)


def load_placed(place: ReplicaDir) -> Placed | None:
    """Return what was decided about the replica, or None where its record is unreadable."""
    try:
        values = json.loads(place.record.read_text())["placed"]
        return Placed(**values | {"gpus": tuple(values["gpus"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None
