"""Read NAME[:VERSION][/REPLICA], as commands take it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from serai.domain.errors import Invalid, NotFound

F = TypeVar("F", bound=Callable[..., Any])
_TARGET = re.compile(r"([^:/\s]+)(?::v?([1-9][0-9]{0,9}))?(?:/(\S+))?")


@dataclass(frozen=True, slots=True)
class Target:
    """A deployment, a version of it where one was named, and a replica."""

    name: str
    version: int | None = None
    replica: str | None = None

    def __str__(self) -> str:
        return f"{self.name} v{self.version}" if self.version else self.name


def read_target(text: str) -> Target:
    """Return what `digits`, `digits:3`, `digits:3/replica` or `digits/replica` names; Invalid for the rest."""
    match = _TARGET.fullmatch(text)
    if not match:
        raise Invalid(f"{text!r} names no deployment; write NAME, NAME:VERSION or NAME:VERSION/REPLICA", "name")
    return Target(match[1], int(match[2]) if match[2] else None, match[3])


def target_argument(metavar: str) -> Callable[[F], F]:
    """Give a command the argument `target`, a Target; the shell completes names of deployments."""
    return click.argument("target", metavar=metavar, type=read_target, shell_complete=_complete)


def _complete(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    from .completing import complete_names

    return complete_names(incomplete)


def pick_version(deployment: Mapping[str, Any], target: Target) -> int:
    """Return the version that is named, else the one that speaks for the deployment: active, incumbent, newest."""
    if target.version:
        return target.version
    shown = deployment.get("shown") or deployment.get("active") or deployment.get("incumbent")
    versions = deployment.get("versions") or []
    if not shown and not versions:
        raise NotFound(f"{target.name!r} has no version; deploy one with `serai deploy`")
    return int(shown or versions[0]["number"])
