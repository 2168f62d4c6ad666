"""Gathers what a job depends on beside its workload, and has it rendered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock

from serai.domain.errors import NotFound
from serai.domain.observation import Workload
from serai_nomad.agent.api import NomadApi
from serai_nomad.facts import Json
from serai_nomad.place.cluster_view import ClusterView
from serai_nomad.settings import NomadSettings

from .bundle_contents import BundleContents, read_contents
from .render import RenderFacts, render_job
from .secrets import make_variable_items
from .template import load_template

# Where no node can be read: what a core of a server of recent years has.
_USUAL_CORE_MHZ = 2500
_MOST_KEPT = 500


class Rendering:
    """Makes jobs of workloads. `bundle_path` returns the file of a bundle or raises NotFound."""

    def __init__(
        self,
        api: NomadApi,
        settings: NomadSettings,
        cluster: ClusterView,
        instance: str,
        server_url: str,
        gateway_url: str,
        bundle_path: Callable[[str], Path],
    ) -> None:
        self._api = api
        self._settings = settings
        self._cluster = cluster
        self._instance = instance
        self._server_url = server_url
        self._gateway_url = gateway_url
        self._bundle_path = bundle_path
        self._lock = Lock()
        self._contents: dict[str, BundleContents] = {}

    def render(self, workload: Workload, is_trial: bool = False) -> Json:
        """Return the job of a workload. Raise SeraiError for what this installation cannot run.

        A trial will not be run: its bundle need not be here.
        """
        facts = RenderFacts(
            instance=self._instance,
            server_url=self._server_url,
            core_mhz=self._core_mhz(workload),
            bundle=self._look_into(workload.spec.bundle, is_trial),
            endpoint=f"{self._gateway_url}/{workload.deployment}/" if self._gateway_url else "",
            template=load_template(workload, self._settings, self._parse),
        )
        return render_job(workload, self._settings, facts)

    def secrets(self, workload: Workload) -> Mapping[str, str]:
        return make_variable_items(workload)

    def _parse(self, text: str, variables: Mapping[str, object]) -> Json:
        return self._api.parse_hcl(text, variables)

    def _core_mhz(self, workload: Workload) -> int:
        """Return what the slowest core has where the workload may be placed: nobody gets less than asked for."""
        cpu = workload.spec.resources.cpu
        if cpu is None or cpu.cores is None or cpu.cores == int(cpu.cores):
            return _USUAL_CORE_MHZ
        cluster = self._cluster.get_if_possible()
        pool = workload.spec.placement.pool or self._settings.pool
        speeds = [node.core_mhz for node in cluster.nodes if node.pool == pool and node.core_mhz] if cluster else []
        return min(speeds, default=_USUAL_CORE_MHZ)

    def _look_into(self, digest: str, is_trial: bool) -> BundleContents | None:
        if not digest:
            return None
        try:
            return self._read_once(digest)
        except NotFound:
            if is_trial:
                return BundleContents()
            raise

    def _read_once(self, digest: str) -> BundleContents:
        with self._lock:
            known = self._contents.get(digest)
        if known is None:
            known = read_contents(self._bundle_path(digest))
            with self._lock:
                while len(self._contents) >= _MOST_KEPT:
                    self._contents.pop(next(iter(self._contents)))
                self._contents[digest] = known
        return known
