"""SeraiErrors as people and scripts meet them: a sentence on stderr (JSON with --json) and an exit code."""

from __future__ import annotations

import json
import sys
from typing import IO, Any

import click

from serai.domain.errors import Invalid, PluginError, SeraiError, Unauthenticated

OK, FAILED, BAD_INPUT, ENDED_IN_ERROR, NOT_YET, INTERRUPTED = 0, 1, 2, 3, 4, 130
JSON_KEY = "serai.json"


class Failure(click.ClickException):
    """An error to end the command with."""

    def __init__(self, error: SeraiError, exit_code: int | None = None, as_json: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        # click declares it on the class and reads it from the instance.
        self.exit_code = exit_code_of(error) if exit_code is None else exit_code  # type: ignore[misc]
        self._as_json = as_json

    def show(self, file: IO[Any] | None = None) -> None:
        stream = file or sys.stderr
        if self._as_json:
            click.echo(json.dumps({"error": dump_error(self.error)}), file=stream)
        else:
            click.echo(f"Error: {self.error.message}{_way_out(self.error)}", file=stream)


def exit_code_of(error: SeraiError) -> int:
    """Return 2 for bad input and plugins that cannot be loaded, 1 for the rest."""
    return BAD_INPUT if isinstance(error, Invalid | PluginError) else FAILED


def dump_error(error: SeraiError) -> dict[str, object]:
    values: dict[str, object] = {"code": error.code, "message": error.message}
    if isinstance(error, Invalid):
        values |= {"field": error.field, "line": error.line}
    return values


def wants_json(ctx: click.Context) -> bool:
    return bool(ctx.find_root().meta.get(JSON_KEY))


def _way_out(error: SeraiError) -> str:
    if isinstance(error, Unauthenticated) and error.code != "wrong-password":
        return "\nSign in with `serai login URL --user NAME`, or set SERAI_TOKEN."
    return ""
