"""Making a replica: its folder appears complete or not at all, then its shim is started."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import serai
from serai.domain.observation import Workload

from . import shim
from .layout import ReplicaDir
from .record import Placed, dump_placed
from .settings import LocalSettings
from .shim.processes import IS_LINUX
from .surroundings import make_base, make_model_env, make_tool_env

NEW = ".new-"


@dataclass(frozen=True, slots=True)
class Launcher:
    """Knows what every replica of this scheduler has in common.

    `server_env` is the server's own environment; `uv` and `has_pip` are what it has for installing packages.
    """

    data_dir: Path
    settings: LocalSettings
    server_env: Mapping[str, str]
    uv: str
    has_pip: bool

    def make(self, folder: Path, workload: Workload, placed: Placed, bundle: Path | None) -> ReplicaDir:
        """Create the replica's folder below `folder`. Raise OSError, leaving nothing, where that fails."""
        new = ReplicaDir(folder / f"{NEW}{placed.id}")
        final = ReplicaDir(folder / placed.id)
        try:
            new.logs.mkdir(mode=0o700, parents=True)
            _write(new.record, self._make_record(workload, placed, bundle))
            _write(new.env, self._make_envs(workload, placed, final))
            _write(new.state, {"phase": "placed", "since": placed.created_at, "started_at": placed.created_at})
            new.pid.write_text("0 0")
            new.root.rename(final.root)
        except OSError:
            shutil.rmtree(new.root, ignore_errors=True)
            raise
        return final

    def start(self, place: ReplicaDir) -> int:
        """Start the replica's shim and return its pid. One that finds another at work ends at once."""
        base = make_base(self.server_env, ())
        null, errors = os.devnull, str(place.errors)
        appending = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", str(Path(shim.__file__).parent), str(place.root)],
            {"PATH": base["PATH"], "LANG": "C.UTF-8"},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, null, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, errors, appending, 0o600),
                (os.POSIX_SPAWN_OPEN, 2, errors, appending, 0o600),
            ],
            setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD],
            setsid=IS_LINUX,  # elsewhere it does so itself, a moment later
        )

    def _make_record(self, workload: Workload, placed: Placed, bundle: Path | None) -> dict[str, object]:
        spec, settings = workload.spec, self.settings
        return {
            "placed": dump_placed(placed),
            "id": placed.id,
            "workload": workload.id,
            "bundle": str(bundle.absolute()) if bundle else "",
            "bundle_digest": spec.bundle,
            "source_root": str(Path(serai.__file__).absolute().parents[1]),
            "command": list(spec.command) if isinstance(spec.command, tuple) else spec.command,
            "port": placed.port,
            "path": spec.health.path,
            "interval_s": spec.health.interval_s,
            "timeout_s": spec.health.timeout_s,
            "drain_s": spec.drain_timeout_s,
            "attempts": spec.start_attempts,
            "memory_bytes": placed.memory_bytes,
            "backoff_s": settings.backoff_s,
            "max_backoff_s": settings.max_backoff_s,
            "memory_check_s": settings.memory_check_s,
            "log_file_bytes": settings.log_file_bytes,
            "log_files": settings.log_files,
            "hints": str(self.data_dir / "hints"),
            "environments": str(self.data_dir / "environments"),
            "uv": self.uv,
            "has_pip": self.has_pip,
            "python": sys.executable,
        }

    def _make_envs(self, workload: Workload, placed: Placed, place: ReplicaDir) -> dict[str, object]:
        base = make_base(self.server_env, self.settings.inherit)
        own = {"SERAI_REPLICA": placed.id, "SERAI_REPLICA_DIR": str(place.root)}
        model = own | {"PORT": str(placed.port)}
        if placed.gpus:
            model["CUDA_VISIBLE_DEVICES"] = ",".join(placed.gpus)
        return {
            "model": make_model_env(base, workload, model),
            "tools": make_tool_env(base, self.server_env, own),
        }


def make_launcher(data_dir: Path, settings: LocalSettings, server_env: Mapping[str, str]) -> Launcher:
    return Launcher(data_dir, settings, server_env, find_uv(server_env.get("PATH")), has_pip())


def make_placed(workload: Workload, id_: str, port: int, gpus: tuple[str, ...], cores: float) -> Placed:
    memory_bytes = workload.spec.resources.memory_limit_bytes
    return Placed(id_, workload.id, workload.digest, time.time(), port, cores, memory_bytes, gpus)


def find_uv(path: str | None) -> str:
    """Return the path of uv: on PATH, or beside the interpreter as in a virtual environment; "" for none."""
    beside = Path(sys.executable).parent
    return shutil.which("uv", path=path) or shutil.which("uv", path=str(beside)) or ""


def has_pip() -> bool:
    """True if our interpreter has a pip that knows `--python` (22.3)."""
    try:
        return int(importlib.metadata.version("pip").partition(".")[0]) >= 23
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return False


def _write(path: Path, values: Mapping[str, object]) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(fd, "w") as file:
        json.dump(values, file)
