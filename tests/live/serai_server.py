"""A whole Serai, server and gateway as processes, that runs its models on an agent or a cluster of the tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import psutil

from tests.live.agent import Agent
from tests.live.cluster import Cluster
from tests.system.installation import Installation


class NomadInstallation(Installation):
    """An installation whose scheduler is Nomad. `namespace` is where its jobs are; closing purges them.

    `plugin` are keys of [plugin.nomad] over those that say where Nomad is; `settings` those of Serai itself.
    """

    def __init__(
        self,
        folder: Path,
        nomad: Agent | Cluster,
        namespace: str = "default",
        plugin: Mapping[str, object] | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        self.nomad = nomad
        self.namespace = namespace
        table = {"namespace": namespace, "bundle_driver": "raw_exec"} | make_place(nomad) | dict(plugin or {})
        choice = {"plugins": "nomad", "scheduler": "nomad"}
        super().__init__(folder, choice | dict(settings or {}), dump_toml({"plugin.nomad": table}))

    def close(self) -> None:
        """End server and gateway; stop and purge what they ran."""
        super().close()
        self.nomad.api.purge(self.namespace)

    def model_processes(self) -> list[psutil.Process]:
        """Return no process: models are Nomad's, which ends them."""
        return []


def make_place(nomad: Agent | Cluster) -> dict[str, object]:
    """Return the keys of [plugin.nomad] that say where Nomad is and by which token it is asked."""
    addresses = [nomad.address] if isinstance(nomad, Agent) else list(nomad.addresses)
    return {"addresses": addresses} | ({"token": nomad.api.token} if nomad.api.token else {})


def dump_toml(tables: Mapping[str, Mapping[str, object]]) -> str:
    """Return tables of texts, numbers, booleans and lists, which TOML writes as JSON does; tables in them by name."""
    lines: list[str] = []
    for name, table in tables.items():
        inner = {f"{name}.{key}": value for key, value in table.items() if isinstance(value, Mapping)}
        lines += [
            f"[{name}]",
            *(f"{key} = {json.dumps(value)}" for key, value in table.items() if f"{name}.{key}" not in inner),
        ]
        lines.append(dump_toml(inner))
    return "\n".join(lines)
