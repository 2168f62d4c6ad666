"""`serai capacity`: GPUs by model, then the machines with what is promised to whom and who has which GPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from serai.domain.quantity import format_bytes

from .session import Session, connected
from .words import clean

_STATUS_COLOURS = {"ready": "green", "draining": "yellow", "ineligible": "yellow", "disconnected": "red", "down": "red"}


@click.command()
@click.option("--pool", help="Only machines of this node pool.")
@connected
def capacity(session: Session, pool: str | None) -> None:
    """Show what machines have, and who holds it.

    GPUs come first, by model: `free` ones can be had now; `away` ones are free on machines that take no replicas."""
    found = session.client.load_capacity(pool)
    if session.out.as_json:
        session.out.document(found)
        return
    if found["gpus"]:
        figures = ("total", "free", "taken", "unhealthy", "away")
        rows = [[_describe_model(row), *(_figure(row[name]) for name in figures)] for row in found["gpus"]]
        session.out.table(("GPU", *(name.upper() for name in figures)), rows, right=[name.upper() for name in figures])
        session.out.say()
    _show_nodes(session, found["nodes"])


def _describe_model(row: Mapping[str, Any]) -> str:
    return clean(row["model"]) + (f" {format_bytes(row['memory'])}" if row.get("memory") else "")


def _figure(count: int) -> str:
    return str(count) if count else "-"


def _show_nodes(session: Session, nodes: Sequence[Mapping[str, Any]]) -> None:
    """Print a line for each node, and one below for each GPU of which there is more to say than its number."""
    pools = {node["pool"] for node in nodes}
    columns = ["NODE", "POOL", "STATUS", "CORES TAKEN", "MEMORY TAKEN", "TAKEN BY", "GPUS"]
    shown = [name for name in columns if name != "POOL" or pools != {""}]
    rows = [[_cell(name, node) for name in shown] for node in nodes]
    session.out.table(shown, rows)


def _cell(column: str, node: Mapping[str, Any]) -> str:
    if column == "NODE":
        return clean(node["name"])
    if column == "POOL":
        return clean(node["pool"] or "-")
    if column == "STATUS":
        return click.style(node["status"], fg=_STATUS_COLOURS.get(node["status"]))
    if column == "CORES TAKEN":
        return f"{node['cores_taken']:g}/{node['cores']:g}"
    if column == "MEMORY TAKEN":
        return f"{format_bytes(node['memory_taken'])} of {format_bytes(node['memory'])}"
    if column == "TAKEN BY":
        return "\n".join(describe_tenants(node["tenants"])) or "-"
    return "\n".join(describe_gpus(node["gpus"])) or "-"


def describe_tenants(tenants: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each version with replicas on a node: `3 digits v2: 2 cores, 1 GiB each`."""
    for one in tenants:
        cpu = one["cpu"]
        share = cpu if isinstance(cpu, str) else f"{cpu:g} {'core' if cpu == 1 else 'cores'}" if cpu else ""
        promised = [part for part in (share, format_bytes(one["memory"]) if one["memory"] else "") if part]
        each = " each" if one["replicas"] > 1 else ""
        words = f": {', '.join(promised)}{each}" if promised else ""
        yield f"{one['replicas']} {clean(one['deployment'])} v{one['version']}{words}"


def describe_gpus(gpus: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each model of a node: `4 A100 80 GiB: 1 free, 2 chat-v2, 1 unhealthy (GPU-1: ECC error)`."""
    models = dict.fromkeys(_describe_model(gpu) for gpu in gpus)
    for model in models:
        units = [gpu for gpu in gpus if _describe_model(gpu) == model]
        holders = Counter(gpu["taken_by"] for gpu in units if gpu["state"] == "taken")
        parts = [f"{count} {clean(name)}" for name, count in sorted(holders.items())]
        for state in ("free", "away"):
            if count := sum(gpu["state"] == state for gpu in units):
                parts.insert(0, f"{count} {state}")
        sick = [gpu for gpu in units if gpu["state"] == "unhealthy"]
        if sick:
            parts.append(f"{len(sick)} unhealthy ({'; '.join(_describe_sick(gpu) for gpu in sick)})")
        yield f"{len(units)} {model}: {', '.join(parts)}"


def _describe_sick(gpu: Mapping[str, Any]) -> str:
    held = f", held by {gpu['taken_by']}" if gpu["taken_by"] else ""
    problem = f": {gpu['problem']}" if gpu["problem"] else ""
    return clean(f"{gpu['id']}{problem}{held}")
