"""A workload as a Nomad job: a pure function of the workload, the settings and a few facts."""

from __future__ import annotations

from dataclasses import dataclass

from serai.domain.observation import Workload

from .bundle_contents import BundleContents
from .facts import Json
from .settings import NomadSettings


@dataclass(frozen=True, slots=True)
class RenderFacts:
    """What a job depends on beside its workload.

    `instance` identifies this installation (the value of the tag). `server_url` is where people and, without
    `bundle_url`, nodes reach the server. `endpoint` is the address of the deployment at the gateway, "" if not known.
    `core_mhz`: what a core of the cluster's nodes has, for fractions of one. `bundle`: what the bundle holds, None
    without one. `template`: the operator's job, parsed by `template.load_template`.
    """

    instance: str
    server_url: str
    core_mhz: int = 1000
    bundle: BundleContents | None = None
    template: Json | None = None
    owner: str = ""
    endpoint: str = ""


def render_job(workload: Workload, settings: NomadSettings, facts: RenderFacts) -> Json:
    """Return the job, without the `{"Job": ...}` around it; no secret's value is in it.

    Raise Invalid (field named) or NotSupported for what this installation cannot run.
    """
    raise NotImplementedError
