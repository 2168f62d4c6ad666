"""Whether a workload would fit, and what nodes have: Nomad's plan and the nodes put together."""

from __future__ import annotations

from collections.abc import Collection

from serai.domain.errors import SchedulerError, SchedulerUnavailable
from serai.domain.observation import Fit, NodeCapacity, Workload
from serai_nomad.agent.api import NomadApi
from serai_nomad.place.capacity import derive_capacity
from serai_nomad.place.cluster_view import ClusterView
from serai_nomad.place.fit import derive_fit, explain_refusal

from .rendering import Rendering


class Fitting:
    def __init__(self, api: NomadApi, rendering: Rendering, cluster: ClusterView) -> None:
        self._api = api
        self._rendering = rendering
        self._cluster = cluster

    def fit(self, workload: Workload, freeing: Collection[str]) -> Fit:
        """Return the fit as of now. Raise SchedulerUnavailable where Nomad cannot be asked."""
        job = self._rendering.render(workload, is_trial=True)
        self._cluster.expire()
        try:
            plan = self._api.plan(job)
        except SchedulerUnavailable:
            raise
        except SchedulerError as error:
            if error.code == "permission-denied":
                raise
            return explain_refusal(error.message, job)
        return derive_fit(job, plan, self._cluster.get_if_possible(), freeing)

    def capacity(self) -> list[NodeCapacity]:
        return derive_capacity(self._cluster.get(), self._api.settings.namespace)
