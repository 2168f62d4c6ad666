"""`serai call`: a request to a model, through the gateway, its answer streamed as it comes."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from serai.domain.errors import ServerUnavailable

from .call_body import read_body
from .session import Session, connected
from .target import Target, target_argument
from .words import format_seconds

if TYPE_CHECKING:
    import httpx

    from .output import Output


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
    session: Session,
    target: Target,
    path: str,
    method: str | None,
    data: str | None,
    headers: tuple[str, ...],
    forms: tuple[str, ...],
    version: int | None,
    include: bool,
    timeout_s: float,
) -> None:
    """Call a model and print the answer as it comes.

    The token of `serai login` is not sent along.

    \b
    Exit codes: 0 for an answer of class 1xx to 3xx, 4 for 4xx, 5 for 5xx, 1 without an answer, 2 bad input.
    """
    import httpx

    from serai.client.transport import is_loopback

    url = session.client.get_deployment(target.name)["url"].rstrip("/") + "/" + path.lstrip("/")
    body = read_body(data, forms, headers)
    if version or target.version:
        body.headers["X-Serai-Version"] = str(version or target.version)
    limits = httpx.Timeout(timeout_s or None, connect=5.0)
    begun_s = time.monotonic()
    try:
        with (
            httpx.Client(timeout=limits, trust_env=not is_loopback(url)) as client,
            client.stream(
                method or ("POST" if body.is_given else "GET"),
                url,
                headers=body.headers,
                content=body.content,
                files=body.files or None,
                data=body.fields or None,
            ) as response,
        ):
            first_s = time.monotonic() - begun_s
            if session.out.as_json:
                _print_document(session.out, response, first_s, begun_s)
            else:
                _print_stream(response, include, begun_s + timeout_s if timeout_s else None)
            status = response.status_code
    except httpx.RequestError as error:
        raise ServerUnavailable(f"no answer from {url} ({error}); see `serai status {target.name}`") from error
    if include:
        click.echo(f"\n{status}, first byte {format_seconds(first_s)}", err=True)
    raise click.exceptions.Exit(exit_code_of(status))


def exit_code_of(status: int) -> int:
    return 0 if status < 400 else status // 100


def _print_stream(response: httpx.Response, include: bool, deadline_s: float | None) -> None:
    if include:
        click.echo(f"{response.http_version} {response.status_code} {response.reason_phrase}")
        for name, value in response.headers.multi_items():
            click.echo(f"{name}: {value}")
        click.echo()
    out = sys.stdout.buffer
    ends_line = True
    for chunk in response.iter_bytes():
        out.write(chunk)
        out.flush()
        ends_line = chunk.endswith(b"\n") if chunk else ends_line
        if deadline_s and time.monotonic() > deadline_s:
            raise ServerUnavailable("the answer took longer than --timeout")
    if not ends_line and sys.stdout.isatty():
        click.echo()


def _print_document(out: Output, response: httpx.Response, first_s: float, begun_s: float) -> None:
    response.read()
    body: Any = response.text
    if response.headers.get("content-type", "").startswith("application/json"):
        try:
            body = response.json()
        except ValueError:
            body = response.text
    out.document(
        {
            "status": response.status_code,
            "headers": dict(response.headers),
            "body": body,
            "first_byte": round(first_s, 6),
            "total": round(time.monotonic() - begun_s, 6),
        }
    )
