"""An operator's HCL job as the shape of every job, parsed by Nomad itself. `overlay` lays it over ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from serai.domain.errors import SchedulerError
from serai.domain.observation import Workload
from serai_nomad.facts import Json
from serai_nomad.settings import NomadSettings

from .resources import disk_mb, make_memory
from .start_script import make_arguments

ParseHcl = Callable[[str, Mapping[str, object]], Json]  # (HCL of a job, its variables) -> the job


def load_template(workload: Workload, settings: NomadSettings, parse: ParseHcl) -> Json | None:
    """Return the job of `settings.template` for `workload`, None where none is set.

    Raise SchedulerError where the file cannot be read or Nomad cannot parse it.
    """
    if settings.template is None:
        return None
    return parse(_read(settings.template), make_variables(workload, settings))


def make_variables(workload: Workload, settings: NomadSettings) -> dict[str, object]:
    """Return what a template may declare as variables; those it does not declare are ignored by Nomad."""
    spec, gpu = workload.spec, workload.spec.resources.gpu
    return {
        "id": workload.id,
        "deployment": workload.deployment,
        "version": workload.version,
        "count": workload.count,
        "image": spec.image,
        "command": make_arguments(spec.command),
        "bundle": spec.bundle,
        "port": spec.port or 0,
        "memory_mb": make_memory(spec.resources)["MemoryMB"],
        "disk_mb": disk_mb(spec.resources),
        "gpus": gpu.count if gpu else 0,
        "pool": spec.placement.pool or settings.pool,
        "datacenters": list(spec.placement.datacenters or settings.datacenters),
        "drain_s": round(spec.drain_timeout_s),
    }


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SchedulerError(f"plugin.nomad.template: {path} cannot be read: {error}", "template-unreadable") from error
