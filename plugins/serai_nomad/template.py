"""An operator's HCL job as the shape of every job: parsed by Nomad, then overlaid with what Serai must own."""

from __future__ import annotations

from collections.abc import Callable

from serai.domain.observation import Workload

from .facts import Json
from .settings import NomadSettings

ParseHcl = Callable[[str, str], Json]  # (HCL of a job, HCL of its variables) -> job


def load_template(workload: Workload, settings: NomadSettings, parse: ParseHcl) -> Json | None:
    """Return the job of `settings.template` for `workload`, None where none is set.

    Raise PluginError where the file cannot be read, SchedulerError where Nomad cannot parse it.
    """
    raise NotImplementedError
