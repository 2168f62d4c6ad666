"""Send requests to one server: the token, retries with back-off, errors as SeraiErrors. Knows no path of the API."""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

import serai
from serai.domain.errors import Invalid, SeraiError, ServerUnavailable

from .backoff import make_pauses
from .problem import is_problem, make_error, retry_after_s

API = "/api/v1"
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0
_GATEWAY_TROUBLE = {502, 503, 504}


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it can be sent again; `path` is below /api/v1.

    `content` makes the body anew for each try, `accept` are the statuses from 400 on that are answers, no errors.
    """

    method: str
    path: str
    json: object = None
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Callable[[], Iterator[bytes]] | None = None
    read_timeout_s: float = READ_TIMEOUT_S
    idempotent: bool = True
    accept: frozenset[int] = frozenset()

    @property
    def sent_params(self) -> dict[str, Any]:
        """The parameters that are set; None is left out."""
        return {key: value for key, value in self.params.items() if value is not None}


class Transport:
    """One server. `patience_s` is how long to go on trying while it cannot be reached. May be used by many threads."""

    def __init__(self, url: str, token: str = "", patience_s: float = 1.0) -> None:
        self.url = check_url(url)
        self.patience_s = patience_s
        self._http = open_client(
            self.url,
            base_url=self.url,
            headers={"User-Agent": f"serai/{serai.__version__}"}
            | ({"Authorization": f"Bearer {token}"} if token else {}),
        )

    def send(self, call: Call, patience_s: float | None = None) -> httpx.Response:
        """Return the answer of a call that succeeded; raise the SeraiError that it failed with.

        Tries again, with pauses, while the server cannot be reached, if that can do no harm.
        """
        pauses = make_pauses(self.patience_s if patience_s is None else patience_s)
        for attempt in range(1_000_000):
            try:
                response = self._http.send(self._request(call))
                if attempt and call.method == "DELETE" and response.status_code == 404:
                    return response  # an earlier try did it, and its answer was lost
                if response.status_code < 400 or response.status_code in call.accept:
                    return response
                error: SeraiError = make_error(response)
                pause_s = next(pauses, None) if _is_passing(response) and call.idempotent else None
            except httpx.RequestError as failure:
                error = _make_unavailable(self.url, failure)
                error.__cause__ = failure
                pause_s = next(pauses, None) if _may_repeat(call, failure) else None
            if pause_s is None:
                raise error
            time.sleep(pause_s)
        raise AssertionError("unreachable")

    @contextmanager
    def stream(self, call: Call) -> Iterator[httpx.Response]:
        """Give the answer of one try, its body unread. Raise the SeraiError it failed with, ServerUnavailable later."""
        try:
            response = self._http.send(self._request(call), stream=True)
            try:
                if response.status_code >= 400:
                    response.read()
                    raise make_error(response)
                yield response
            finally:
                response.close()
        except httpx.RequestError as failure:
            raise _make_unavailable(self.url, failure) from failure

    def close(self) -> None:
        self._http.close()

    def _request(self, call: Call) -> httpx.Request:
        timeout = httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S, read=call.read_timeout_s)
        return self._http.build_request(
            call.method,
            f"{API}{call.path}",
            json=call.json,
            params=call.sent_params,
            headers=dict(call.headers),
            content=call.content() if call.content else None,
            timeout=timeout,
        )


def check_url(url: str) -> str:
    """Return an address of a server without a slash at its end; raise Invalid for what is none."""
    parts = urlsplit(url.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Invalid(f"{url!r} is not the address of a server; write it like http://127.0.0.1:8080", "url")
    if parts.username or parts.password:
        raise Invalid("the server's address holds a password; give a token with SERAI_TOKEN or `serai login`", "url")
    return url.strip().rstrip("/")


def is_loopback(url: str) -> bool:
    """Return True if `url` is an address of this machine alone."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_client(url: str, **more: Any) -> httpx.Client:
    """Return a client for `url`; `more` are httpx's own arguments."""
    # A proxy of the environment cannot reach this machine's own ports.
    return httpx.Client(verify=make_trust(url), trust_env=not is_loopback(url), **more)


def make_trust(url: str) -> ssl.SSLContext | bool:
    """Return what certificates are checked against. To read the authorities takes longer than most calls do.

    So where there is no TLS, nor a proxy that might have it, it is a context that trusts nobody.
    """
    is_plain = urlsplit(url).scheme == "http" and is_loopback(url)
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_plain else True


def _is_passing(response: httpx.Response) -> bool:
    """Return True if the same call may well succeed in a moment."""
    if response.status_code not in _GATEWAY_TROUBLE:
        return False
    return not is_problem(response) or retry_after_s(response) is not None


def _may_repeat(call: Call, failure: httpx.RequestError) -> bool:
    never_sent = isinstance(failure, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return (never_sent or call.idempotent) and not isinstance(failure, httpx.UnsupportedProtocol)


def _make_unavailable(url: str, failure: httpx.RequestError) -> ServerUnavailable:
    cause = str(failure) or type(failure).__name__
    return ServerUnavailable(
        f"no server answers at {url} ({cause}); start one with `serai up`,"
        " or name another with SERAI_URL or `serai login URL`"
    )
