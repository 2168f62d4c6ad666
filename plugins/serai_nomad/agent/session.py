"""The one HTTP session to Nomad: which agent answers, with which token and certificates, how often it is tried.

It is a requests.Session, so that python-nomad can be given it. Whatever a caller says about address, token, region,
TLS or redirects is replaced by the settings' own: python-nomad lets the environment override what it was given,
checks no certificates and leaves the namespace out of half of its calls. Every failure leaves as a SeraiError.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import requests
import urllib3

from serai.domain.errors import SchedulerUnavailable
from serai_nomad.settings import NomadSettings

from .acl_token import TokenSource
from .agent_errors import Refusal, derive_refusal
from .connection_errors import Failure, derive_failure, make_error
from .tls import close_adapters, mount_adapters, read_cert, read_verify

# Stands for whichever agent answers, in addresses that are given to this session.
ORIGIN = "http://nomad"
CONNECT_S = 3.0
READ_S = 10.0
# How long a lost leader is waited for.
PATIENCE_S = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 1.0
# How long a connection is waited for while all are in use.
SLOT_S = 30.0


@dataclass(frozen=True, slots=True)
class _Manner:
    """How a request is sent. `has_slot`: its connection has been counted already."""

    timeout: tuple[float, float]
    is_streamed: bool = False
    has_slot: bool = False


class AgentSession(requests.Session):
    """Sends requests to the first agent that answers, and goes on with that one. Safe from any thread.

    At most `settings.connections` are open at a time; who asks for more waits.
    """

    def __init__(self, settings: NomadSettings) -> None:
        super().__init__()
        self._settings = settings
        self._tokens = TokenSource(settings)
        self._slots = threading.BoundedSemaphore(settings.connections)
        self._current = 0
        self._closed = threading.Event()
        self.trust_env = False
        # Uncompressed: agents are near, so that gzip takes longer than the network, and it would hold streams back.
        self.headers.update({"User-Agent": "serai", "Accept": "application/json", "Accept-Encoding": "identity"})
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        mount_adapters(self, settings)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Return the good answer to `request`; its address is replaced. Raise a SeraiError for anything else.

        A lost leader is waited for, if doing the same twice is harmless. After that a Conflict may mean that the
        first try was done after all.
        """
        timeout = kwargs.get("timeout") or READ_S
        return self._persist(request, _Manner(timeout if isinstance(timeout, tuple) else (CONNECT_S, timeout)))

    @contextmanager
    def open_stream(self, path: str, query: Mapping[str, Any], read_s: float) -> Iterator[requests.Response]:
        """Open a streamed answer that keeps its connection, one of the `settings.connections`, to the end."""
        request = self.prepare_request(requests.Request("GET", ORIGIN + path, params=dict(query)))
        with self._slot():
            response = self._persist(request, _Manner((CONNECT_S, read_s), is_streamed=True, has_slot=True))
            try:
                yield response
            finally:
                response.close()

    def wait_closed(self, seconds: float) -> bool:
        """Wait so long; return True at once when the session is closed."""
        return self._closed.wait(seconds)

    def close(self) -> None:
        """End pauses, refuse further requests and close the connections that are kept."""
        self._closed.set()
        close_adapters(self)

    def _persist(self, request: requests.PreparedRequest, manner: _Manner) -> requests.Response:
        until, pause_s = time.monotonic() + PATIENCE_S, _FIRST_PAUSE_S
        while True:
            response = self._ask_any(request, manner)
            if response.status_code < 300:
                return response
            refusal = self._read_refusal(request, response)
            may_wait = refusal.is_passing and is_repeatable(request) and time.monotonic() + pause_s < until
            if not may_wait or self._closed.wait(pause_s):
                raise refusal.error
            self._current = (self._current + 1) % len(self._settings.addresses)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _ask_any(self, request: requests.PreparedRequest, manner: _Manner) -> requests.Response:
        """Return the answer of the first agent that gives one, whatever it says."""
        count, first = len(self._settings.addresses), self._current
        turns = [(first + step) % count for step in range(count)]
        failures: list[Failure] = []
        while turns:
            turn = turns.pop(0)
            answer = self._try(self._settings.addresses[turn], request, manner)
            if isinstance(answer, requests.Response):
                self._current = turn
                return answer
            if answer.was_dropped and not any(failure.was_dropped for failure in failures):
                turns.insert(0, turn)  # the agent had closed an idle connection; a new one tells
            failures.append(answer)
            if _ends_tries(answer, request):
                break
        raise make_error(failures)

    def _try(self, address: str, request: requests.PreparedRequest, manner: _Manner) -> requests.Response | Failure:
        if self._closed.is_set():
            raise SchedulerUnavailable("the connection to Nomad has been closed")
        wanted = self._address(request, address)
        tls = self._settings.tls
        try:
            with nullcontext() if manner.has_slot else self._slot():
                return super().send(
                    wanted,
                    stream=manner.is_streamed,
                    timeout=manner.timeout,
                    verify=read_verify(tls),
                    cert=read_cert(tls),
                    proxies={},
                    allow_redirects=False,
                )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            return derive_failure(address, error, tls)

    def _address(self, request: requests.PreparedRequest, address: str) -> requests.PreparedRequest:
        """Return the request as it goes to `address`: with our token and region, in our namespace if it names none."""
        wanted = request.copy()
        wanted.headers.pop("X-Nomad-Token", None)
        if token := self._tokens.read():
            wanted.headers["X-Nomad-Token"] = token
        parts, base = urlsplit(request.url or ORIGIN), urlsplit(address)
        query = [(key, value) for key, value in parse_qsl(parts.query, keep_blank_values=True) if key != "region"]
        if not any(key == "namespace" for key, _ in query):
            query.append(("namespace", self._settings.namespace))
        if self._settings.region:
            query.append(("region", self._settings.region))
        wanted.url = urlunsplit((base.scheme, base.netloc, base.path + parts.path, urlencode(query), ""))
        return wanted

    def _read_refusal(self, request: requests.PreparedRequest, response: requests.Response) -> Refusal:
        with response:
            try:
                text = response.content.decode("utf-8", "replace")
            except requests.RequestException:  # cut off in the middle of its excuse
                text = ""
        method, has_token = request.method or "GET", "X-Nomad-Token" in response.request.headers
        return derive_refusal(method, request.path_url, response.status_code, text, has_token)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=SLOT_S):
            raise SchedulerUnavailable(
                f"all {self._settings.connections} connections to Nomad are busy; raise plugin.nomad.connections"
            )
        try:
            yield
        finally:
            self._slots.release()


def is_repeatable(request: requests.PreparedRequest) -> bool:
    """Tell whether doing it twice does no more than doing it once; restarts and signals do more."""
    path = request.path_url.partition("?")[0]
    return request.method == "GET" or not path.endswith(("/restart", "/signal"))


def _ends_tries(failure: Failure, request: requests.PreparedRequest) -> bool:
    """Tell whether no other agent may be asked: it could be done twice, or the node is late, through any agent."""
    is_relayed = request.path_url.startswith("/v1/client/")
    return (failure.was_sent and not is_repeatable(request)) or (failure.is_late and is_relayed)
