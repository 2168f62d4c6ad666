"""`serai ls`, `serai status`, `serai versions`: what is running, is it well, if not why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from .output import Output, paint_state
from .session import Session, connected
from .target import Target, target_argument
from .words import clean, format_age, format_local, format_ready, reason_text


@click.command()
@connected
def ls(session: Session) -> None:
    """List deployments."""
    deployments = session.client.list_deployments()
    if session.out.as_json:
        session.out.document(deployments)
    elif not deployments:
        session.out.say("Nothing is deployed yet. Deploy a folder with `serai deploy FOLDER`.")
    else:
        rows = (
            (
                item["name"],
                paint_state(item["state"]),
                f"v{item.get('shown') or '-'}",
                format_ready(item),
                item["access"],
                item["url"],
                reason_text(item.get("reason")),
            )
            for item in deployments
        )
        session.out.table(("NAME", "STATE", "VERSION", "READY", "ACCESS", "URL", "REASON"), rows, right=("READY",))


@click.command()
@target_argument("NAME[:VERSION]")
@connected
def status(session: Session, target: Target) -> None:
    """Show how a deployment or a version is, and why."""
    if target.version:
        version: Mapping[str, Any] = session.client.get_version(target.name, target.version)
        if session.out.as_json:
            session.out.document(version)
        else:
            _show_version(session.out, version)
        return
    deployment: Mapping[str, Any] = session.client.get_deployment(target.name)
    if session.out.as_json:
        session.out.document(deployment)
        return
    _show_deployment(session.out, deployment)
    shown = deployment.get("shown")
    for version in deployment["versions"]:
        if version["number"] == shown or version["replicas"]:
            session.out.say()
            _show_version(session.out, version)


@click.command()
@target_argument("NAME")
@connected
def versions(session: Session, target: Target) -> None:
    """List the versions of a deployment, newest first."""
    found = session.client.get_deployment(target.name)["versions"]
    if session.out.as_json:
        session.out.document(found)
        return
    rows = (
        (
            f"v{version['number']}",
            paint_state(version["state"]),
            format_ready(version),
            format_local(version["created_at"]),
            clean(version.get("created_by") or "-"),
            reason_text(version.get("reason")),
        )
        for version in found
    )
    session.out.table(("VERSION", "STATE", "READY", "CREATED", "BY", "REASON"), rows, right=("READY",))


def _show_deployment(out: Output, value: Mapping[str, Any]) -> None:
    out.say(f"{click.style(value['name'], bold=True)}  {paint_state(value['state'])}  {value['url']}")
    active, incumbent = value.get("active"), value.get("incumbent")
    parts = [f"version {active}" if active else "no active version", f"{format_ready(value)} ready", value["access"]]
    if incumbent:
        parts.append(f"version {incumbent} serves until version {active} is ready")
    out.say("  " + ", ".join(parts))


def _show_version(out: Output, value: Mapping[str, Any]) -> None:
    out.say(f"version {value['number']}  {paint_state(value['state'])}  {format_ready(value)} ready")
    for line in explain(value.get("reason")):
        out.say(f"  {line}")
    if value.get("stale"):
        out.say("  The scheduler cannot be reached; this is what it last said.")
    replicas = value["replicas"]
    if replicas:
        rows = (
            (
                f"  {replica['id']}",
                replica["phase"],
                format_age(replica.get("since")),
                clean(replica.get("node") or "-"),
                ",".join(replica.get("gpus") or ()) or "-",
                reason_text(replica.get("reason")),
            )
            for replica in replicas
        )
        out.table(("  REPLICA", "PHASE", "SINCE", "NODE", "GPUS", "REASON"), rows)


def describe_funnel(steps: Sequence[Mapping[str, Any]]) -> str:
    """Return how many machines are left after each step: `Machines: 5 in the pool gpu > 2 with such GPUs > 0 ...`."""
    return "Machines: " + " > ".join(f"{step['nodes']} {clean(step['step'])}" for step in steps)


def explain(reason: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the lines of a reason: the sentence, what would help, exit code, the last lines of the log."""
    if not reason:
        return
    yield reason_text(reason)
    if reason.get("funnel"):
        yield describe_funnel(reason["funnel"])
    if reason.get("help"):
        yield f"What helps: {clean(reason['help'])}"
    if reason.get("exit_code") is not None:
        yield f"Exit code: {reason['exit_code']}"
    for line in reason.get("log") or ():
        yield f"| {clean(line)}"
