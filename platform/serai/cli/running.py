"""`serai start` and `serai stop`: what a version should be, then wait until it is."""

from __future__ import annotations

import click

from .durations import read_seconds
from .outcome import finish_start, finish_stop
from .session import Session, connected
from .target import Target, pick_version, target_argument
from .waiting import ENDED, STARTED, wait_for

_DETACH = click.option("--detach", is_flag=True, help="Do not wait.")
_TIMEOUT = click.option(
    "--timeout", "timeout_s", type=read_seconds, default="15m", help="Wait so long.  [default: 15m]"
)


@click.command()
@target_argument("NAME[:VERSION]")
@_DETACH
@_TIMEOUT
@connected
def start(session: Session, target: Target, detach: bool, timeout_s: float) -> None:
    """Start a version, and wait until it runs.

    Without VERSION it is the one shown by `serai status`. What ran before is shut down once the new one is ready.

    Exit codes as with `serai deploy`.
    """
    deployment = session.client.get_deployment(target.name)
    target = Target(target.name, pick_version(deployment, target))
    session.client.start_version(target.name, target.version or 0)
    if detach:
        session.out.say(f"{target} is starting.")
        return
    finish_start(session.out, target, wait_for(session, target, STARTED, timeout_s), deployment["url"])


@click.command()
@target_argument("NAME[:VERSION]")
@_DETACH
@_TIMEOUT
@connected
def stop(session: Session, target: Target, detach: bool, timeout_s: float) -> None:
    """Stop what runs, or one version, and wait until it has.

    Requests in flight are finished first."""
    deployment = session.client.get_deployment(target.name)
    if target.version:
        session.client.stop_version(target.name, target.version)
    else:
        session.client.stop_deployment(target.name)
    target = Target(target.name, pick_version(deployment, target))
    if detach:
        session.out.say(f"{target} is stopping.")
        return
    finish_stop(session.out, target, wait_for(session, target, ENDED, timeout_s))
