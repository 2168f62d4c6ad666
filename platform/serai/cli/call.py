"""`serai call`: a request to a model, through the gateway, its answer streamed as it comes."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from serai.domain.errors import SeraiError, ServerUnavailable
from serai.domain.trace_links import find_trace_id

from .session import Session, connected
from .target import Target, target_argument
from .words import format_seconds

if TYPE_CHECKING:
    from serai.client.calling import ModelAnswer


@click.command()
@target_argument("NAME")
@click.argument("path", default="/")
@click.option("-X", "--request", "method", help="The method.  [default: GET, or POST with a body]")
@click.option("-d", "--data", metavar="BODY|@FILE", help="The body; JSON is recognised. @- is standard input.")
@click.option("-H", "--header", "headers", multiple=True, metavar="'K: V'", help="A header; may be given again.")
@click.option("-F", "--form", "forms", multiple=True, metavar="K=V|K=@FILE", help="A field of a form, or a file.")
@click.option("--version", type=click.IntRange(1), help="A version that lives beside the one that serves.")
@click.option("-i", "--include", is_flag=True, help="Print status and headers first.")
@click.option("--timeout", "timeout_s", type=float, default=0.0, help="Seconds for the whole answer, 0: no limit.")
@connected
def call(
    session: Session, /, target: Target, path: str, version: int | None, include: bool, timeout_s: float, **body: Any
) -> None:
    """Call a model and print the answer as it comes.

    The token of `serai login` is not sent along.

    \b
    Exit codes: 0 for an answer of class 1xx to 3xx, 4 for 4xx, 5 for 5xx, 1 without an answer, 2 bad input.
    """
    from serai.client.calling import call_model

    from .call_body import read_request

    request = read_request(**body)
    url = session.client.get_deployment(target.name)["url"].rstrip("/") + "/" + path.lstrip("/")
    number = version or target.version
    headers = dict(request.headers) | ({"X-Serai-Version": str(number)} if number else {})
    try:
        with call_model(replace(request, url=url, headers=headers, timeout_s=timeout_s)) as answer:
            trace_id = find_trace_id(headers.items(), answer.headers)
            if session.out.as_json:
                _print_document(session, answer, trace_id)
            else:
                _print_stream(answer, include)
    except ServerUnavailable as error:
        raise ServerUnavailable(f"{error.message}; see `serai status {target.name}`", error.code) from error
    if include:
        click.echo(f"\n{answer.status}, first byte {format_seconds(answer.first_byte_s)}", err=True)
        if trace_id:
            click.echo(f"trace {trace_id} {_find_link(session, trace_id)}".rstrip(), err=True)
    raise click.exceptions.Exit(exit_code_of(answer.status))


def exit_code_of(status: int) -> int:
    return 0 if status < 400 else status // 100


def _print_stream(answer: ModelAnswer, include: bool) -> None:
    if include:
        click.echo(answer.first_line)
        for name, value in answer.headers:
            click.echo(f"{name}: {value}")
        click.echo()
    out = sys.stdout.buffer
    ends_line = True
    for chunk in answer.chunks():
        out.write(chunk)
        out.flush()
        ends_line = chunk.endswith(b"\n")
    if not ends_line and sys.stdout.isatty():
        click.echo()


def _find_link(session: Session, trace_id: str) -> str:
    """Return the tracer's address of a trace, "" where there is none: the model's answer matters more."""
    try:
        return str(session.client.get_trace(trace_id)["url"]) if trace_id else ""
    except SeraiError:
        return ""


def _print_document(session: Session, answer: ModelAnswer, trace_id: str) -> None:
    text = b"".join(answer.chunks()).decode(errors="replace")
    session.out.document(
        {
            "status": answer.status,
            "headers": dict(answer.headers),
            "body": _read_body(text, answer.content_type),
            "first_byte": round(answer.first_byte_s, 6),
            "total": round(answer.elapsed_s, 6),
            "trace_id": trace_id,
            "trace_url": _find_link(session, trace_id),
        }
    )


def _read_body(text: str, content_type: str) -> object:
    """Return the value of a JSON body, else its text."""
    if content_type.startswith("application/json"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text
