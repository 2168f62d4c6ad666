"""Accounts and teams as commands take them, with their completion."""

from __future__ import annotations

import click


def complete_login(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    from .completing import complete_logins

    return complete_logins(incomplete)


def complete_team(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    from .completing import complete_teams

    return complete_teams(incomplete)


def complete_owner(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    from .completing import complete_owners

    return complete_owners(incomplete)


login_argument = click.argument("login", shell_complete=complete_login)
team_argument = click.argument("name", shell_complete=complete_team)
