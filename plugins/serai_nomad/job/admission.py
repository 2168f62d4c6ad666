"""Whether a version could ever run here: asked before it is stored, so that its author sees what is wrong and where."""

from __future__ import annotations

from serai.domain.deployment import Version
from serai.domain.observation import Workload
from serai_nomad.settings import NomadSettings

from .render import RenderFacts, render_job


def check_version(version: Version, settings: NomadSettings) -> None:
    """Raise Invalid, naming the field, or NotSupported for what no cluster of this installation could run."""
    workload = Workload(version.workload, version.deployment, version.number, version.spec, digest="", count=0)
    render_job(workload, settings, RenderFacts(instance="", server_url=""))
