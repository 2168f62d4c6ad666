"""`serai logs`: what replicas wrote, kept and new."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

from serai.domain.quantity import format_bytes

from .session import Session, connected
from .target import Target, pick_version, target_argument
from .words import clean, format_local, read_instant

STREAM_COLOURS = {"stderr": "yellow", "system": "cyan"}


@click.command()
@target_argument("NAME[:VERSION][/REPLICA]")
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines, over restarts of the server.")
@click.option("--since", metavar="AGE", help="Only lines of the last 5m, 1h, ..., or from an RFC 3339 time on.")
@click.option("--until", metavar="AGE", help="Only lines before 5m, 1h, ... ago, or before an RFC 3339 time.")
@click.option("--grep", metavar="TEXT", help="Only lines that contain TEXT, in capitals or not.")
@click.option("--tail", type=click.IntRange(0, 10_000), metavar="N", help="Only the last N lines.")
@click.option("--stream", type=click.Choice(["stdout", "stderr", "system"]), help="Only this stream.")
@click.option(
    "--list", "is_list", is_flag=True, help="List the replicas whose logs are kept, those that are gone, too."
)
@click.option("--timestamps", "-t", is_flag=True, help="Begin each line with its time.")
@connected
def logs(session: Session, /, target: Target, follow: bool, timestamps: bool, is_list: bool, **wanted: Any) -> None:
    """Print the log of a version, or follow it.

    Without VERSION it is the one that runs, without REPLICA the logs of all replicas are merged."""
    from serai.client.client import LogQuery
    from serai.client.logs import follow_logs

    number = target.version or pick_version(session.client.get_deployment(target.name), target)
    if is_list:
        _show_replicas(session, target.name, number)
        return
    query = LogQuery(replica=target.replica, **wanted)
    lines: Iterable[Any]
    if follow:
        lines = follow_logs(session.client, target.name, number, query)
    else:
        lines = session.client.list_logs(target.name, number, query)
    names = _Names()
    for line in lines:
        if session.out.as_json:
            session.out.record(line)
        else:
            session.out.say(_format(line, names, timestamps))


def _show_replicas(session: Session, name: str, number: int) -> None:
    found = session.client.list_replica_logs(name, number)
    if session.out.as_json:
        session.out.document(found)
    elif not found:
        session.out.say(f"Nothing is kept of {name} v{number}: none of its replicas wrote a line.")
    else:
        rows = [
            (
                one["replica"],
                one["presence"],
                "-" if one["size"] is None else format_bytes(one["size"]),
                "-" if one["last_at"] is None else format_local(one["last_at"]),
            )
            for one in found
        ]
        session.out.table(("REPLICA", "IS", "KEPT", "LAST LINE"), rows, right=("KEPT",))


class _Names:
    """Tells replicas apart: nothing while there is one, a short name from the second on."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def label(self, replica: str) -> str:
        self._seen.add(replica)
        return f"{replica[-8:]} " if len(self._seen) > 1 else ""


def _format(line: Mapping[str, Any], names: _Names, timestamps: bool) -> str:
    time = read_instant(line["at"]).astimezone().strftime("%H:%M:%S.%f")[:-3] + " " if timestamps else ""
    label = click.style(names.label(line["replica"]), dim=True)
    text = click.style(clean(line["text"]), fg=STREAM_COLOURS.get(line["stream"]), reset=True)
    return f"{time}{label}{text}"
