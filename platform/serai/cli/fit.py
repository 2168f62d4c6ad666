"""Say whether something would fit now, and where: the end of `serai deploy --dry-run`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from .failure import ENDED_IN_ERROR, NOT_YET, OK
from .output import Output
from .words import clean

_VERDICTS = {
    "now": (OK, "It fits now"),
    "later": (NOT_YET, "It does not fit now"),
    "never": (ENDED_IN_ERROR, "It will never fit"),
}


def finish_fit(out: Output, fit: Mapping[str, Any]) -> None:
    """Print the fit and end with 0 (now), 4 (later) or 3 (never)."""
    code, words = _VERDICTS[fit["verdict"]]
    if out.as_json:
        out.document(fit)
    else:
        nodes = f" on {', '.join(fit['nodes'])}" if fit.get("nodes") else ""
        out.say(f"{words}: {fit['placeable']} of the replicas would get a place at once{nodes}.")
        if reason := fit.get("reason"):
            out.say(clean(f"{reason['text']} {reason.get('help') or ''}".rstrip()))
    raise click.exceptions.Exit(code)
