"""`serai idle` and `serai wake`: let a deployment rest without replicas, and have it run them again."""

from __future__ import annotations

import click

from .durations import read_seconds
from .outcome import finish_start
from .session import Session, connected
from .target import Target, pick_version, target_argument
from .waiting import STARTED, wait_for


@click.command()
@target_argument("NAME")
@connected
def idle(session: Session, target: Target) -> None:
    """Let a deployment rest: its replicas end, and the next request starts them again.

    Requests in flight are finished first. The request that wakes it waits until a replica is ready."""
    after = session.client.idle_deployment(target.name)
    if session.out.as_json:
        session.out.document(after)
    else:
        session.out.say(f"{target.name} is idle; a request or `serai wake {target.name}` starts its replicas again.")


@click.command()
@target_argument("NAME")
@click.option("--detach", is_flag=True, help="Do not wait.")
@click.option("--timeout", "timeout_s", type=read_seconds, default="15m", help="Wait so long.  [default: 15m]")
@connected
def wake(session: Session, target: Target, detach: bool, timeout_s: float) -> None:
    """Start the replicas of an idle deployment, and wait until one is ready.

    Exit codes as with `serai deploy`."""
    deployment = session.client.wake_deployment(target.name)
    target = Target(target.name, pick_version(deployment, target))
    if not detach:
        finish_start(session.out, target, wait_for(session, target, STARTED, timeout_s), deployment["url"])
    elif session.out.as_json:
        session.out.document(deployment)
    else:
        session.out.say(f"{target.name} is waking.")
