"""`/capacity`: GPUs by model, then each machine: what it has, what is taken, by whom, as far as the scheduler tells."""

from __future__ import annotations

import flask
from flask import Blueprint

from serai.domain.capacity import find_gpu_state, total_gpus
from serai.domain.errors import Invalid, NotSupported, SchedulerError
from serai.domain.names import parse_workload_id
from serai.domain.observation import NodeCapacity, NodeStatus
from serai.domain.quantity import Cpu
from serai.reconcile.core import Core
from serai.reconcile.tenants import find_rest, find_tenants

STATUS_WORDS = {
    NodeStatus.READY: "ready",
    NodeStatus.DRAINING: "being drained",
    NodeStatus.INELIGIBLE: "takes no work",
    NodeStatus.DISCONNECTED: "disconnected",
    NodeStatus.DOWN: "down",
}


class CapacityPage:
    def __init__(self, core: Core) -> None:
        self._core = core

    def register(self, ui: Blueprint) -> None:
        ui.get("/capacity", endpoint="capacity")(self.show)

    def show(self) -> str:
        """Show all machines, or with `?pool=` those of a pool."""
        index = self._core.changes.index()
        nodes, problem = self._load()
        pool = flask.request.args.get("pool", "")
        pools = sorted({node.pool for node in nodes})
        shown = [node for node in nodes if pool in {"", node.pool}]
        tenants = find_tenants(self._core.cluster.views(), self._core.cluster.usage()) if shown else {}
        return flask.render_template(
            "serai/capacity.html",
            nodes=shown,
            tenants=tenants,
            find_rest=find_rest,
            cpu_words=word_cpu,
            totals=total_gpus(shown),
            pools=pools if len(pools) > 1 else [],
            pool=pool,
            problem=problem,
            index=index,
            gpu_state=find_gpu_state,
            deployment_of=find_deployment,
            words=STATUS_WORDS,
        )

    def _load(self) -> tuple[list[NodeCapacity], str]:
        try:
            return self._core.scheduler.capacity(), ""
        except (NotSupported, SchedulerError) as error:
            return [], error.message


def word_cpu(cpu: Cpu | None) -> str:
    """Return a promised share in words: `2 cores`, `1,500 MHz`; a dash where nothing was promised."""
    if cpu is None:
        return "–"
    return f"{cpu.mhz:,} MHz" if cpu.mhz else f"{cpu.cores:g} {'core' if cpu.cores == 1 else 'cores'}"


def find_deployment(workload: str) -> str:
    """Return the deployment of a workload, "" for what is not ours."""
    try:
        return parse_workload_id(workload)[0]
    except Invalid:
        return ""
