"""How calls to Nomad are made, by python-nomad or by hand, and what they may raise: SeraiErrors and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple
from urllib.parse import quote

import nomad
import requests
from nomad.api.exceptions import BaseNomadException

from serai.domain.errors import Invalid, SchedulerUnavailable
from serai_nomad.facts import Json
from serai_nomad.settings import NomadSettings

from .session import CONNECT_S, ORIGIN, READ_S, AgentSession


class Listing(NamedTuple):
    """Rows of a list, and the index (X-Nomad-Index) of its table when they were read."""

    rows: tuple[Json, ...]
    table_index: int


class Calls:
    """The session and both ways over it. `_nomad` is python-nomad's client: give it quoted ids, inside `speaking`."""

    def __init__(self, settings: NomadSettings) -> None:
        self.settings = settings
        self.session = AgentSession(settings)
        self._nomad = nomad.Nomad(
            address=ORIGIN, namespace=settings.namespace, timeout=READ_S, verify=True, session=self.session
        )

    def close(self) -> None:
        """End waits and close the connections; refuse further calls."""
        self.session.close()

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None = None,
        body: object = None,
        read_s: float = READ_S,
    ) -> requests.Response:
        """Return the good answer to any request. `path` is quoted already; None in `query` is left out."""
        with speaking():
            return self.session.request(
                method, ORIGIN + path, params=_plain(query), json=body, timeout=(CONNECT_S, read_s)
            )

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None = None,
        body: object = None,
        read_s: float = READ_S,
    ) -> Json:
        """Return the object that answers a request."""
        with speaking():
            return as_mapping(self.call(method, path, query, body, read_s).json())

    def open_stream(
        self, path: str, query: Mapping[str, object], read_s: float
    ) -> AbstractContextManager[requests.Response]:
        """Open an answer to be read while it comes, uncompressed; it counts as a connection until it is closed."""
        return self.session.open_stream(path, _plain(query), read_s)

    def _list(self, path: str, index: int, wait_s: float, **query: object) -> Listing:
        read_s = READ_S
        if index and wait_s:
            query |= {"index": index, "wait": f"{wait_s:g}s"}
            read_s += wait_s * 17 / 16  # Nomad spreads the ends of waits by a sixteenth
        return read_listing(self.call("GET", path, query, read_s=read_s))


@contextmanager
def speaking() -> Iterator[None]:
    """Let no exception of requests or python-nomad out; those of answers are SeraiErrors of the session already."""
    try:
        yield
    except (requests.RequestException, BaseNomadException, ValueError) as error:
        raise SchedulerUnavailable(
            f"what answers at Nomad's address does not speak as Nomad does ({type(error).__name__}: {error}); "
            "check plugin.nomad.addresses"
        ) from error


def quote_id(id: str, safe: str = "") -> str:
    """Return an id as it stands in a path: one with `?`, `/` or `#` must not become another call. Raise Invalid."""
    if id in {"", ".", ".."}:
        raise Invalid(f"{id!r} is no id in Nomad", "id")
    return quote(id, safe=safe)


def _plain(query: Mapping[str, object] | None) -> dict[str, Any]:
    return {key: value for key, value in (query or {}).items() if value is not None}


def read_listing(response: requests.Response) -> Listing:
    """Return the rows and the index of an answer."""
    with speaking():
        index = response.headers.get("X-Nomad-Index") or "0"
        return Listing(as_rows(response.json()), int(index))


def as_mapping(value: Any) -> Json:
    """Return an answer that has to be an object. Raise ValueError for anything else."""
    if not isinstance(value, dict):
        raise ValueError(f"an object was expected, not {type(value).__name__}")
    return value


def as_rows(value: Any) -> tuple[Json, ...]:
    """Return an answer that has to be a list; () for null. Raise ValueError for anything else."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ValueError(f"a list was expected, not {type(value).__name__}")
    return tuple(value)
