"""Call a model through the gateway and read its answer as it comes. The server's token is never sent along."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from serai.domain.errors import ServerUnavailable

from .transport import CONNECT_TIMEOUT_S, open_client


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """A request to a model. The body is `content`, or a form of `fields` and `files` (name, (file name, bytes)).

    `timeout_s` bounds the whole answer; 0 is no limit.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[tuple[str, tuple[str, bytes]]] = ()
    timeout_s: float = 0.0


class ModelAnswer:
    """An answer whose headers have come. `chunks` gives the body once, as it comes."""

    def __init__(self, response: httpx.Response, begun_s: float, timeout_s: float) -> None:
        self.status = response.status_code
        self.first_line = f"{response.http_version} {response.status_code} {response.reason_phrase}"
        self.headers = response.headers.multi_items()
        self.first_byte_s = time.monotonic() - begun_s
        self._response, self._begun_s, self._timeout_s = response, begun_s, timeout_s

    @property
    def content_type(self) -> str:
        return str(self._response.headers.get("content-type", ""))

    @property
    def elapsed_s(self) -> float:
        """Seconds since the request was begun."""
        return time.monotonic() - self._begun_s

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it comes; ServerUnavailable once it has taken longer than it may."""
        for chunk in self._response.iter_bytes():
            yield chunk
            if 0 < self._timeout_s < self.elapsed_s:
                raise ServerUnavailable(f"the answer took longer than {self._timeout_s:g} s", "timeout")


@contextmanager
def call_model(request: ModelRequest) -> Iterator[ModelAnswer]:
    """Send a request, and give its answer for as long as the `with` lasts; ServerUnavailable where none comes."""
    timeout = httpx.Timeout(request.timeout_s or None, connect=CONNECT_TIMEOUT_S)
    begun_s = time.monotonic()
    try:
        with (
            open_client(request.url, timeout=timeout) as client,
            client.stream(
                request.method,
                request.url,
                headers=dict(request.headers),
                content=request.content,
                data=dict(request.fields) or None,
                files=list(request.files) or None,
            ) as response,
        ):
            yield ModelAnswer(response, begun_s, request.timeout_s)
    except httpx.RequestError as error:
        cause = str(error) or type(error).__name__
        raise ServerUnavailable(f"no answer from {request.url} ({cause})") from error
