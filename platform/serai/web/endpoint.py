"""How an endpoint of the API is declared: one decorator says path, permission, shapes and every status it answers.

A declaration is all there is to know: the app is mounted from it (`serai.web.mount`), callers are checked against it
(`serai.web.auth`), and the OpenAPI document is made of it (`serai.web.document`). They cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from flask import Response
from pydantic import BaseModel

from serai.domain.spec_text import JsonObject
from serai.plugin.identity import Identity, Permission
from serai.reconcile.core import Core

if TYPE_CHECKING:
    from serai.telemetry.span_intake import SpanIntake

    from .attempts import Attempts
    from .blocking import Limits, Waiting

API = "/api/v1"


@dataclass(frozen=True, slots=True)
class Call:
    """One request being answered: the parts of the server, who calls, where waiting is done, how much of it, which
    sign-ins have failed, and what takes spans."""

    core: Core
    caller: Identity
    waiting: Waiting
    limits: Limits
    attempts: Attempts
    spans: SpanIntake


@dataclass(frozen=True, slots=True)
class Answer:
    """JSON for the caller; no `body` with 204. Headers come on top of the usual ones."""

    body: JsonObject | list[JsonObject] | None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Media(Enum):
    """What else than JSON an endpoint reads or answers."""

    JSON = auto()
    BYTES = auto()
    TEXT = auto()  # of another standard than JSON
    OTLP = auto()  # refusals included
    EVENTS = auto()  # JSON, or text/event-stream where the caller follows


Handler = Callable[..., Answer | Response]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path.

    `needs` is the permission a caller has to have, None for what anybody may see. `answers` maps each good status to
    the shape of its body (None: no body). `refuses` are the statuses of problems beside those every call can have.
    `takes` is the shape of a JSON body; where the handler wants a plain mapping, the domain reads it instead.
    """

    method: str
    rule: str
    handler: Handler
    tag: str
    needs: Permission | None
    answers: Mapping[int, type[BaseModel] | None]
    refuses: tuple[int, ...]
    takes: type[BaseModel] | None
    body_limit_bytes: int
    media: Media
    waits: bool

    @property
    def name(self) -> str:
        """Flask's name for it, and the operation's in the OpenAPI document."""
        return self.handler.__name__

    @property
    def sends_bytes(self) -> bool:
        return self.media is Media.BYTES and self.method == "PUT"

    @property
    def gives_bytes(self) -> bool:
        return self.media is Media.BYTES and self.method == "GET"


JSON_LIMIT_BYTES = 1024 * 1024


class Resource:
    """The endpoints of one module of `serai.web.api`, in the order of the document."""

    def __init__(self, tag: str, about: str, prefix: str = API) -> None:
        self.tag = tag
        self.about = about
        self.endpoints: list[Endpoint] = []
        self._prefix = prefix

    def on(
        self,
        method: str,
        rule: str,
        needs: Permission | None,
        answers: Mapping[int, type[BaseModel] | None],
        refuses: tuple[int, ...] = (),
        takes: type[BaseModel] | None = None,
        body_limit_bytes: int = JSON_LIMIT_BYTES,
        media: Media = Media.JSON,
        waits: bool = False,
    ) -> Callable[[Handler], Handler]:
        """Declare the decorated function as the handler of a method and path."""

        def declare(handler: Handler) -> Handler:
            self.endpoints.append(
                Endpoint(
                    method, self._prefix + rule, handler, self.tag, needs, answers, refuses, takes,
                    body_limit_bytes, media, waits,
                )
            )  # fmt: skip
            return handler

        return declare
