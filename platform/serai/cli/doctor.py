"""`serai doctor`: is everything here that is needed, and if not, what to do."""

from __future__ import annotations

from pathlib import Path

import click

from .failure import FAILED
from .session import Session, connected

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), default=".serai", help="Data folder to look at."
)
@connected
def doctor(session: Session, data: Path) -> None:
    """Check this machine and the way to the server.

    Each line says ok, warn or fail, and the way out.

    Exit code 0 without a failure, else 1.
    """
    from .certificate_check import check_certificate
    from .checks import Check, check_machine
    from .server_checks import check_server

    checks: list[Check] = []
    for check in (*check_machine(data), *check_certificate(), *check_server(session.profile)):
        checks.append(check)
        if not session.out.as_json:
            level = click.style(f"{check.level:<4}", fg=COLOURS[check.level])
            session.out.say(
                f"{level}  {check.subject}: {check.finding}" + (f"\n      {check.way_out}" if check.way_out else "")
            )
    if session.out.as_json:
        session.out.document(
            [{"subject": c.subject, "level": c.level, "finding": c.finding, "way_out": c.way_out} for c in checks]
        )
    if any(check.level == "fail" for check in checks):
        raise click.exceptions.Exit(FAILED)
