"""One server and one caller, and how calls are sent and read; the calls themselves are in `accounts` and `client`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import quote

import httpx

from .transport import Call, Transport


class Connection:
    """The part of a client that knows no call. May be used by many threads."""

    def __init__(self, url: str, token: str = "", patience_s: float = 1.0) -> None:
        self._transport = Transport(url, token, patience_s)

    @property
    def url(self) -> str:
        """The server's address, without a slash at its end."""
        return self._transport.url

    @property
    def transport(self) -> Transport:
        """The connection itself, for calls that have no method here."""
        return self._transport

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    def _get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        return self._send(Call("GET", path, params=params or {})).json()

    def _get_list(self, path: str, params: Mapping[str, Any] | None = None) -> Sequence[Any]:
        value = self._get(path, params)
        return cast(Sequence[Any], value)

    def _send(self, call: Call) -> httpx.Response:
        return self._transport.send(call)


def path_part(text: str) -> str:
    """Return `text` as one part of a path, whatever it holds."""
    return quote(text, safe="") or "-"
