"""`serai scale` and `serai access`: settings that change without a new version."""

from __future__ import annotations

import click

from .session import Session, connected
from .target import Target, target_argument


@click.command()
@target_argument("NAME")
@click.argument("count", type=click.IntRange(0))
@connected
def scale(session: Session, target: Target, count: int) -> None:
    """Change the number of replicas.

    Kept replicas and their connections stay; no new version is made."""
    before = session.client.get_deployment(target.name)["count"]
    after = session.client.change_deployment(target.name, {"count": count})
    if session.out.as_json:
        session.out.document(after)
    else:
        session.out.say(f"{target.name}: {before} -> {after['count']} replicas")


@click.command()
@target_argument("NAME")
@click.argument("access", type=click.Choice(["public", "keys"]))
@click.option("--header", help='A header that may carry keys, such as X-Api-Key, beside Authorization; "" for none.')
@connected
def access(session: Session, target: Target, access: str, header: str | None) -> None:
    """Say who may call a deployment: everybody (public), or who has a key (keys)."""
    changes = {"access": access} if header is None else {"access": access, "key_header": header}
    after = session.client.change_deployment(target.name, changes)
    if session.out.as_json:
        session.out.document(after)
        return
    named = f", keys may be sent as {after['key_header']}" if after["access"] == "keys" and after["key_header"] else ""
    session.out.say(f"{target.name}: access is {after['access']} now{named}")
