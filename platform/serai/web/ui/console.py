"""`/d/<name>/test`: try a deployment from the browser, through the real gateway."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator

import flask
from flask import Blueprint, Response

from serai.domain.errors import Invalid, SeraiError
from serai.domain.trace_links import find_trace_id, make_link
from serai.reconcile.core import Core
from serai.web.app import edge_of
from serai.web.problems import status_of

from .heading import load_heading
from .relay import Exchange, Exchanges, Question, send

_METHOD = re.compile(r"[A-Z][A-Z-]{0,31}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Framing is the relay's business: a second length or another connection would corrupt the request.
_OWN_HEADERS = frozenset({"content-length", "transfer-encoding", "connection", "expect", "upgrade", "te", "trailer"})
ROOT = base64.b64encode(b"/").decode()


class ConsolePage:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._exchanges = Exchanges()

    def register(self, ui: Blueprint) -> None:
        ui.get("/d/<name>/test", endpoint="console")(self.show)
        ui.post("/d/<name>/test/send", endpoint="send_test")(self.send)
        ui.post("/d/<name>/test/stop", endpoint="stop_test")(self.stop)

    def show(self, name: str) -> str:
        heading = load_heading(self._core, name, "console")
        living = [v for v in heading.view.versions if v.status.ready]
        return flask.render_template("serai/console.html", heading=heading, living=living)

    def send(self, name: str) -> Response:
        """Send what `X-Test-*` describes and stream the answer in frames."""
        self._core.cluster.view(name)
        try:
            leave = edge_of(flask.current_app).waiting.enter_stream()
        except SeraiError as error:
            return refuse(error)
        try:
            question = read_question(name)
            exchange = send(self._core.gateway_url, question)
        except SeraiError as error:
            leave()
            return refuse(error)
        id = flask.request.headers.get("X-Test-Id", "")
        self._exchanges.add(id, exchange)
        trace_id = find_trace_id(question.headers, exchange.headers)
        response = Response(self._stream(id, exchange, trace_id), content_type="application/octet-stream")
        response.call_on_close(leave)
        response.headers["X-Accel-Buffering"] = "no"
        return response

    def stop(self, name: str) -> Response:
        """End an exchange that the page has lost interest in, so that the model hears of it at once."""
        stopped = self._exchanges.stop(flask.request.headers.get("X-Test-Id", ""))
        return flask.jsonify(stopped=stopped)

    def _stream(self, id: str, exchange: Exchange, trace_id: str) -> Iterator[bytes]:
        link = make_link(self._core.trace_url, trace_id) if trace_id else ""
        try:
            yield from exchange.frames({"trace_id": trace_id, "trace_url": link})
        finally:
            self._exchanges.remove(id)
            exchange.close()


def read_question(name: str) -> Question:
    """Return the request that the page describes. Raise Invalid naming what cannot be sent."""
    asked = flask.request
    method = asked.headers.get("X-Test-Method", "GET").strip().upper()
    if not _METHOD.fullmatch(method):
        raise Invalid(f"{method!r} is not a method; use GET, POST or another word", "method")
    path = decode(asked.headers.get("X-Test-Path", ROOT))
    if not path.startswith("/") or re.search(r"[\x00-\x20\x7f]", path) or not path.isascii():
        raise Invalid(f"the path {path!r} has to begin with / and hold no spaces", "path")
    headers = [pair for pair in read_headers(asked.headers.get("X-Test-Headers", "")) if is_sendable(*pair)]
    version = asked.headers.get("X-Test-Version", "")
    if version.isdigit():
        headers.append(("X-Serai-Version", version))
    return Question(method, f"/{name}{path}", headers, asked.stream, asked.content_length or 0)


def read_headers(encoded: str) -> list[tuple[str, str]]:
    """Return the pairs of a JSON list in base64."""
    if not encoded:
        return []
    try:
        pairs = json.loads(decode(encoded))
        return [(str(name).strip(), str(value).strip()) for name, value in pairs]
    except (ValueError, TypeError) as error:
        raise Invalid("the headers cannot be read", "headers") from error


def is_sendable(name: str, value: str) -> bool:
    """Return whether a header goes out; raise Invalid for one that no server would take."""
    if not _HEADER_NAME.fullmatch(name) or re.search(r"[\r\n\x00]", value):
        raise Invalid(f"the header {name!r} cannot be sent: its name or value holds forbidden characters", "headers")
    if not value.isascii() and any(ord(letter) > 255 for letter in value):
        raise Invalid(f"the value of the header {name!r} holds characters outside Latin-1", "headers")
    return name.lower() not in _OWN_HEADERS


def decode(text: str) -> str:
    """Return UTF-8 text from base64: headers carry ASCII alone."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Invalid("the request cannot be read", "path") from error


def refuse(error: SeraiError) -> Response:
    """Say why nothing was sent, as text that the page shows in the answer's place."""
    response = flask.jsonify(code=error.code, detail=error.message, field=getattr(error, "field", ""))
    response.status_code = status_of(error)
    response.headers["X-Test-Refused"] = "1"
    return response
