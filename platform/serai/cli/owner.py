"""`serai owner`: whose a deployment is."""

from __future__ import annotations

import click

from .people import complete_owner
from .session import Session, connected
from .target import Target, target_argument


@click.command()
@target_argument("NAME")
@click.argument("owner", shell_complete=complete_owner)
@connected
def owner(session: Session, target: Target, owner: str) -> None:
    """Give a deployment to an account, or to a team (team:TEAM).

    The account, or every member of the team, may change it from then on. Keys that open all deployments of their
    owner open what the owner has at the moment."""
    after = session.client.set_owner(target.name, owner)
    if session.out.as_json:
        session.out.document(after)
    else:
        session.out.say(f"{target.name}: owner is {after['owner']} now")
