"""`serai events`, `serai plugins`: the installation as a whole."""

from __future__ import annotations

from typing import Any

import click

from .plugin_checks import find_trouble
from .session import Session, connected
from .words import clean, format_local


@click.command()
@click.argument("name", required=False)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many at most.")
@click.option("--by", metavar="LOGIN", help="Only what this login did.")
@click.option("-f", "--follow", is_flag=True, help="Go on with new events.")
@connected
def events(session: Session, name: str | None, limit: int, by: str | None, follow: bool) -> None:
    """Show what happened, and who did it.

    The newest comes last; without NAME it is that of all deployments, accounts, keys and tokens."""
    found = list(reversed(session.client.list_events(name, limit=limit, actor=by)))
    if session.out.as_json and not follow:
        session.out.document(found)
        return
    _show_events(session, found)
    if follow:
        from serai.client.watch import watch_events

        for fresh in watch_events(session.client, name, max((event["id"] for event in found), default=0)):
            _show_events(session, [event for event in fresh if by in {None, event["actor"]}])


def _show_events(session: Session, found: list[Any]) -> None:
    for event in found:
        if session.out.as_json:
            session.out.record(event)
            continue
        version = f" v{event['version']}" if event.get("version") else ""
        actor = f"  by {clean(event['actor'])}" if event.get("actor") else ""
        concerned = f"{event['deployment']}{version}  " if event["deployment"] else ""
        what = f"{concerned}{event['kind']}  {clean(event.get('text') or '')}".rstrip()
        session.out.say(f"{format_local(event['at'])}  {what}{click.style(actor, dim=True)}")


@click.command()
@connected
def plugins(session: Session) -> None:
    """List the server's plugins."""
    found = session.client.list_plugins()
    if session.out.as_json:
        session.out.document(found)
        return
    rows = [
        (
            plugin["name"],
            plugin["version"] or "-",
            click.style("failing", fg="red") if find_trouble(plugin) else click.style("healthy", fg="green"),
            ", ".join(hook.removeprefix("serai_") for hook in plugin["hooks"]),
            clean(find_trouble(plugin) or plugin["last_error"]),
        )
        for plugin in found
    ]
    session.out.table(("PLUGIN", "VERSION", "HEALTH", "HOOKS", "LAST ERROR"), rows)
