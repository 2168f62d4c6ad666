"""What a command that waited for a version says at the end, and its exit code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from .failure import ENDED_IN_ERROR, FAILED, NOT_YET
from .listing import explain
from .output import Output
from .target import Target
from .words import clean


def finish_start(out: Output, target: Target, version: Mapping[str, Any], url: str) -> None:
    """End a start: 0 Running (prints the address), 3 Error (reason, help and last log lines on stderr), 4 not yet."""
    if out.as_json:
        out.document({"url": url, **version})
    state = version["state"]
    if state == "running":
        out.say(f"{target} is running at {url}")
        return
    if state == "error":
        out.warn(f"{target} is in Error.")
        _explain(out, version)
        raise click.exceptions.Exit(ENDED_IN_ERROR)
    if state in {"stopped", "shutting_down"}:
        out.warn(f"{target} was stopped by somebody before it was ready.")
        raise click.exceptions.Exit(FAILED)
    out.warn(f"{target} is not ready yet and goes on; see `serai status {target.name}`.")
    _explain(out, version)
    raise click.exceptions.Exit(NOT_YET)


def finish_stop(out: Output, target: Target, version: Mapping[str, Any]) -> None:
    """End a stop: 0 stopped, 4 not yet."""
    if out.as_json:
        out.document(version)
    if version["state"] in {"stopped", "error"}:
        out.say(f"{target} is stopped.")
        return
    out.warn(f"{target} is still shutting down.")
    _explain(out, version)
    raise click.exceptions.Exit(NOT_YET)


def _explain(out: Output, version: Mapping[str, Any]) -> None:
    for line in explain(version.get("reason")):
        out.warn(clean(line))
