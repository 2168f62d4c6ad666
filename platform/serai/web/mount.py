"""Endpoints -> Flask: check the caller, read what was sent, call the handler, write the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, get_type_hints

from flask import Flask, Response, json, request
from pydantic import BaseModel

from serai.reconcile.core import Core

from .auth import admit
from .blocking import Edge
from .endpoint import Answer, Call, Endpoint, Media
from .otlp import answering_status
from .reading import read_body, read_mapping, read_model, read_query
from .shapes.queries import NoQuery

View = Callable[..., Response]


def mount(app: Flask, endpoints: Iterable[Endpoint], core: Core, edge: Edge) -> None:
    """Make `app` answer the endpoints. OPTIONS is not answered: the API is for no other origin."""
    for endpoint in endpoints:
        app.add_url_rule(
            endpoint.rule,
            endpoint=f"api.{endpoint.name}",
            view_func=_make_view(endpoint, core, edge),
            methods=[endpoint.method],
            provide_automatic_options=False,
        )


def _make_view(endpoint: Endpoint, core: Core, edge: Edge) -> View:
    wants = get_type_hints(endpoint.handler)

    def view(**path: str | int) -> Response:
        caller = admit(core, endpoint.needs, str(path["name"]) if "name" in path else None)
        arguments: dict[str, Any] = {}
        if "path" in wants:
            arguments["path"] = read_model(wants["path"], path)
        query = read_query(wants.get("query", NoQuery), request)
        if "query" in wants:
            arguments["query"] = query
        if endpoint.takes is not None:
            arguments["body"] = _read_body(endpoint, wants["body"])
        answer = endpoint.handler(Call(core, caller, edge.waiting, edge.limits, edge.attempts, edge.spans), **arguments)
        return answer if isinstance(answer, Response) else _write(answer)

    return answering_status(view) if endpoint.media is Media.OTLP else view


def _read_body(endpoint: Endpoint, wanted: object) -> object:
    if isinstance(wanted, type) and issubclass(wanted, BaseModel):
        return read_body(wanted, request, endpoint.body_limit_bytes)
    return read_mapping(request, endpoint.body_limit_bytes)


def _write(answer: Answer) -> Response:
    """Return the response; reads carry an ETag, and 304 is answered to who has it."""
    text = "" if answer.body is None else json.dumps(answer.body) + "\n"
    response = Response(text, answer.status, mimetype="application/json")
    if answer.body is None:
        del response.headers["Content-Type"]
    response.headers.extend(answer.headers)
    if request.method in {"GET", "HEAD"} and answer.status == 200:
        response.add_etag()
        response.make_conditional(request)
    return response
