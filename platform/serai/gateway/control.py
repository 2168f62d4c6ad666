"""Speak with the server: ask for routes, hand over figures."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import aiohttp

from serai.domain.errors import ServerUnavailable
from serai.domain.finished import FinishedRequest, dump_finished
from serai.domain.routes import RouteChange, load_change

# An answer may come this much later than asked for before the connection is given up.
_GRACE_S = 10.0
_SEND_S = 30.0
_GOOD = frozenset({200, 204})
_REFUSED_FOR_GOOD = frozenset({400, 413, 415, 422})


class Refused(Exception):
    """The server cannot take these figures, now or ever."""


class ControlPlane:
    """One server for the gateway named `gateway`. `server` is its address or a file with it.

    That file and the token are read anew for each call; while the file is empty or away, the last address holds.
    Every failure is ServerUnavailable.
    """

    def __init__(self, server: str | Path, token_file: Path, gateway: str) -> None:
        self._file = server if isinstance(server, Path) else None
        self._url = "" if isinstance(server, Path) else server.rstrip("/")
        self._token_file = token_file
        self._gateway = gateway
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())

    async def load_change(self, index: int, wait_s: float, leaving: Collection[str] = ()) -> RouteChange:
        """Return what changed since `index`, after `wait_s` at the latest; ValueError if it makes no sense.

        `index` is the table in effect here, `leaving` the replicas not in it that still carry requests of ours.
        """
        query = {
            "index": str(index),
            "wait": f"{round(wait_s * 1000)}ms",
            "gateway": self._gateway,
            "busy": ",".join(sorted(leaving)),
        }
        body = await self._call("GET", "/api/v1/routes", query, None, wait_s + _GRACE_S)
        try:
            return load_change(json.loads(body))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"the server's routes cannot be read: {error!r}") from error

    async def send_windows(self, windows: Sequence[bytes]) -> None:
        """Hand over windows, each as JSON; raise Refused if trying again is no use."""
        body = gzip.compress(b'{"windows":[' + b",".join(windows) + b"]}", compresslevel=1)
        await self._call("POST", "/api/v1/telemetry", {}, body, _SEND_S)

    async def send_spans(self, requests: Sequence[FinishedRequest], lost: int) -> None:
        """Hand over sampled requests, and say how many were lost; raise Refused if trying again is no use."""
        document = {"gateway": self._gateway, "lost": lost, "spans": [dump_finished(request) for request in requests]}
        body = gzip.compress(json.dumps(document).encode(), compresslevel=1)
        await self._call("POST", "/api/v1/telemetry/spans", {}, body, _SEND_S)

    async def wake(self, deployment: str) -> None:
        """Have an idle deployment start its replicas."""
        path = f"/api/v1/routes/{quote(deployment, safe='')}/wake"
        try:
            await self._call("POST", path, {"gateway": self._gateway}, None, _GRACE_S)
        except Refused as error:  # by another version of Serai, say: it may be replaced while requests wait
            raise ServerUnavailable(str(error)) from error

    async def close(self) -> None:
        await self._session.close()

    async def _call(self, method: str, path: str, query: dict[str, str], body: bytes | None, timeout_s: float) -> bytes:
        url = self._locate() + path
        headers = {"Authorization": f"Bearer {self._load_token()}"}
        if body is not None:
            headers |= {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.request(method, url, params=query, data=body, headers=headers) as response,
            ):
                content = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ServerUnavailable(f"{self._url} cannot be reached: {error or type(error).__name__}") from error
        if response.status in _REFUSED_FOR_GOOD:
            raise Refused(f"{method} {path} answered {response.status}: {content[:300].decode(errors='replace')}")
        if response.status not in _GOOD:
            raise ServerUnavailable(f"{url} answered {response.status}")
        return content

    def _locate(self) -> str:
        if self._file is not None:
            with suppress(OSError, UnicodeDecodeError):
                self._url = self._file.read_text(encoding="utf-8").strip().rstrip("/") or self._url
            if not self._url:
                raise ServerUnavailable(f"{self._file} names no server yet")
        return self._url

    def _load_token(self) -> str:
        try:
            return self._token_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ServerUnavailable(f"the token cannot be read from {self._token_file}: {error.strerror}") from error
