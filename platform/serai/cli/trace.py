"""`serai trace`: the spans of a request that were kept, and where a tracer shows all of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import click

from serai.domain.errors import Invalid

from .session import Session, connected
from .words import clean, format_seconds, read_instant

_TRACE_ID = re.compile("[0-9a-f]{32}")


@click.command()
@click.argument("trace_id", metavar="ID")
@connected
def trace(session: Session, trace_id: str) -> None:
    """Show the spans of a request.

    ID is what its answer has as X-Request-Id; `serai call -i` tells it. Kept for an hour are spans that models send,
    and requests whose trace is sampled.
    """
    id = trace_id.lower()
    if not _TRACE_ID.fullmatch(id):
        raise Invalid(f"{trace_id!r} is no trace: its id has 32 letters of 0-9 and a-f", "trace_id")
    found = session.client.get_trace(id)
    if session.out.as_json:
        session.out.document(found)
        return
    if found["spans"]:
        first_at = min(read_instant(span["began_at"]) for span in found["spans"])
        rows = [_row(span, (read_instant(span["began_at"]) - first_at).total_seconds()) for span in found["spans"]]
        session.out.table(("AFTER", "TOOK", "KIND", "OF", "SPAN"), rows, right=("AFTER", "TOOK"))
    else:
        session.out.say("No span of this trace is kept.")
    if found["url"]:
        session.out.say(found["url"])


def _row(span: Mapping[str, Any], after_s: float) -> tuple[str, ...]:
    version = f":{span['version']}" if span["version"] else ""
    replica = f"/{span['replica']}" if span["replica"] else ""
    error = f" ({span['error']})" if span["error"] else ""
    of = clean(f"{span['deployment']}{version}{replica}")
    return (format_seconds(after_s), format_seconds(span["took"]), span["kind"], of, clean(f"{span['name']}{error}"))
