"""Say whether something would fit now, and where: the end of `serai deploy --dry-run`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from .failure import ENDED_IN_ERROR, NOT_YET, OK
from .listing import explain
from .output import Output
from .words import clean

_MOST_NAMED = 5
_VERDICTS = {
    "now": (OK, "It fits now"),
    "later": (NOT_YET, "It does not fit now"),
    "never": (ENDED_IN_ERROR, "It can never fit"),
}


def finish_fit(out: Output, fit: Mapping[str, Any]) -> None:
    """Print the fit and end with 0 (now), 4 (later) or 3 (never)."""
    code, words = _VERDICTS[fit["verdict"]]
    if out.as_json:
        out.document(fit)
    else:
        out.say(f"{words}: {_describe(fit['placeable'])} would get a place at once{_describe_nodes(fit)}.")
        for line in explain(fit.get("reason")):
            out.say(line)
    raise click.exceptions.Exit(code)


def _describe(placeable: int) -> str:
    return {0: "no replica", 1: "1 replica"}.get(placeable, f"{placeable} replicas")


def _describe_nodes(fit: Mapping[str, Any]) -> str:
    """Return where, as far as it can be told in a line."""
    nodes = fit.get("nodes") or ()
    if not nodes:
        return ""
    named = clean(", ".join(nodes[:_MOST_NAMED]))
    rest = len(nodes) - _MOST_NAMED
    return f" on {named} or {rest} more" if rest > 0 else f" on {named}"
