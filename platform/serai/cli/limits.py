"""`serai limits`: how often callers may call, seen and changed."""

from __future__ import annotations

import click

from .session import Session, connected
from .target import Target, target_argument


@click.command()
@target_argument("NAME")
@click.option("--per-key", metavar="RATE", help="Of one key: 100/s, 600/min, 5/10s; 0 for no limit.")
@click.option("--per-client", metavar="RATE", help="Of one client address, whatever its key.")
@connected
def limits(session: Session, target: Target, per_key: str | None, per_client: str | None) -> None:
    """Show or change how often callers may call.

    More is answered 429 with Retry-After. Each gateway counts for itself."""
    given = {"per_key": per_key, "per_client": per_client}
    changes = {name: rate for name, rate in given.items() if rate is not None}
    if changes:
        deployment = session.client.change_deployment(target.name, {"limits": changes})
    else:
        deployment = session.client.get_deployment(target.name)
    if session.out.as_json:
        session.out.document(deployment["limits"])
        return
    rates = {"each key": deployment["limits"]["per_key"], "each client address": deployment["limits"]["per_client"]}
    for whose, rate in rates.items():
        session.out.say(f"{target.name}: {whose} " + ("as often as it likes" if rate == "0" else f"at most {rate}"))
