"""`serai delete`: gone for good, so it is asked for by name."""

from __future__ import annotations

import sys

import click

from serai.domain.errors import Invalid

from .session import Session, connected
from .target import Target, target_argument


@click.command()
@target_argument("NAME[:VERSION]")
@click.option("--all", "everything", is_flag=True, help="Delete the deployment with all its versions.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@connected
def delete(session: Session, target: Target, everything: bool, yes: bool) -> None:
    """Delete a version, or a whole deployment, for good.

    Its bundle, logs and figures go with it. Only what is not active can be deleted; stop it first.
    """
    if everything == bool(target.version):
        raise Invalid(
            f"say what to delete: `{target.name}:VERSION`, or `{target.name} --all` for the deployment with all its"
            " versions",
            "name",
        )
    if everything:
        session.client.get_deployment(target.name)
    else:
        session.client.get_version(target.name, target.version or 0)
    if not yes:
        _confirm(target)
    if everything:
        session.client.delete_deployment(target.name)
    else:
        session.client.delete_version(target.name, target.version or 0)
    session.out.say(f"{target} is deleted.")
    if session.out.as_json:
        session.out.document({"deleted": {"name": target.name, "version": target.version}})


def _confirm(target: Target) -> None:
    if not sys.stdin.isatty():
        raise Invalid("there is no terminal to ask on; give --yes", "yes")
    typed = click.prompt(f"This deletes {target} for good. Type {target.name} to go on", default="", show_default=False)
    if typed != target.name:
        click.echo("Nothing was deleted.", err=True)
        raise click.exceptions.Exit(1)
