"""Tie the parts together: routes flow from the server to the engine, figures from the engine to the server."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from serai.domain.errors import ServerUnavailable
from serai.domain.routes import RouteTable
from serai.domain.spec_text import JsonObject

from .certificate import Certificate, CertificateWatch, load_certificate
from .choice import Choice, EngineName, find_engine, make_engine
from .config import GatewayConfig
from .control import ControlPlane
from .engine import Engine, TlsPlace
from .folder import load_gateway_id, lock_folder
from .follow import Follower
from .haproxy.master import HaproxyFailure
from .haproxy.supervision import end_leftover
from .journal import Journal
from .sampling import Tracing
from .span_post import SpanPost
from .spool import Spool
from .table_file import TableFile
from .trust import Trust
from .upload import Uploader

log = logging.getLogger(__name__)

# The last figures are on disk already; a server that is there gets them at once.
_LAST_SEND_S = 3.0


class Agent:
    """One gateway. Make it inside a running loop; `run` once."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._tls = TlsPlace(config.tls_host, config.tls_port, load_certificate(config.tls)) if config.tls else None
        self._choice = find_engine(config.engine)
        self._lock = lock_folder(config.data)
        self.id = load_gateway_id(config.data)
        self._journal_folder = config.data / "journal"
        self._journal = Journal(self._journal_folder, self.id, config.window_s, time.time)
        self._spool = Spool(self._journal_folder, config.spool_limit_bytes)
        self._control = ControlPlane(config.server, config.token_file, self.id)
        self._spans = SpanPost(self._control)
        self.engine: Engine = self._make_engine(self._choice)
        self._follower = Follower(
            self._control,
            TableFile(config.data / "routes.json"),
            self._apply,
            self._leaving,
        )
        self._trust = Trust(config.data / "contact", config.keys, self._is_server_there, self._trust_keys)
        self._uploader = Uploader(self._journal, self._spool, self._control)
        self.is_leaving = False  # whether what can serve on does so when this ends

    @property
    def url(self) -> str:
        return _make_url("http", self.engine.address)

    @property
    def tls_url(self) -> str:
        """Return where callers by TLS come in, "" where they do not."""
        address = self.engine.tls_address
        return _make_url("https", address) if address else ""

    def health(self) -> JsonObject:
        """Return what `/-/healthz` answers."""
        follower = self._follower
        since = follower.reachable_since or follower.unreachable_since or 0.0
        return {
            "gateway": self.id,
            "engine": self.engine.name,
            "index": follower.table.index if follower.table else None,
            "deployments": len(follower.table.routes) if follower.table else 0,
            "in_flight": self.engine.in_flight,
            "server": {
                "reachable": follower.reachable_since is not None,
                "since": datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds"),
            },
        }

    async def run(self, stop: asyncio.Event, announce: Callable[[str], None]) -> None:
        """Serve until `stop`; `announce(url)` is called when requests are taken."""
        try:
            left = await asyncio.to_thread(self._spool.recover, self._config.window_s)
            if left:
                log.info("folded %d segments that an earlier gateway left", left)
            await self._follower.load()
            await self._trust.load()
            await self._start_engine()
            log.info("gateway %s takes requests at %s by %s", self.id, self.url, self._choice.why)
            if self._tls is not None:
                log.info("callers by TLS come in at %s: %s", self.tls_url, self._tls.certificate)
            announce(self.url)
            await self._serve(stop)
        finally:
            await self._control.close()
            os.close(self._lock)

    async def _apply(self, table: RouteTable) -> None:
        await self.engine.apply(table)  # whichever that is by then

    async def _present(self, certificate: Certificate) -> None:
        await self.engine.present(certificate)

    def _is_server_there(self) -> bool:
        return self._follower.reachable_since is not None

    async def _trust_keys(self, is_trusting: bool) -> None:
        await self.engine.trust_keys(is_trusting)

    def _leaving(self) -> frozenset[str]:
        return self.engine.leaving()

    def _make_engine(self, choice: Choice) -> Engine:
        share = self._config.trace_share
        tracing = None if share is None else Tracing(share, self._spans.keep)
        return make_engine(choice, self._config, self._journal, self.health, self._tls, self._control.wake, tracing)

    async def _start_engine(self) -> None:
        """Start the engine; where any will do and HAProxy does not run, the other one."""
        if self._choice.program is None:
            await end_leftover(self._config.data / "haproxy")
        try:
            await self.engine.start()
        except HaproxyFailure as failure:
            if self._config.engine != EngineName.AUTO:
                raise
            log.error("%s; the engine within the gateway is used instead", failure)
            self._choice = Choice(EngineName.ASYNCIO, None, "the engine within the gateway, as HAProxy does not run")
            self.engine = self._make_engine(self._choice)
            if self._follower.table is not None:
                await self.engine.apply(self._follower.table)
            await self.engine.trust_keys(self._trust.is_trusting)
            await self.engine.start()

    async def _serve(self, stop: asyncio.Event) -> None:
        """Run until `stop` or until a part fails, which then ends the gateway in good order and is raised."""
        loops = [
            asyncio.create_task(part)
            for part in (
                self._follower.follow(),
                self._follower.save(),
                self._trust.watch(),
                self._uploader.close_windows(),
                self._uploader.send_windows(),
                self._spans.post(),
                *([CertificateWatch(self._config.tls, self._present).follow()] if self._config.tls else []),
            )
        ]
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((stopped, *loops), return_when=asyncio.FIRST_COMPLETED)
            log.info("gateway %s finishes %d requests", self.id, self.engine.in_flight)
            await (self.engine.leave if self.is_leaving else self.engine.close)(self._config.drain_s)
        finally:
            for task in (stopped, *loops):
                task.cancel()
            results = await asyncio.gather(stopped, *loops, return_exceptions=True)
        await self._finish()
        for failure in results:
            if isinstance(failure, Exception):
                raise failure

    async def _finish(self) -> None:
        await self._follower.save_now()
        await self._uploader.spool_closed(all=True)
        with suppress(ServerUnavailable, TimeoutError):
            async with asyncio.timeout(_LAST_SEND_S):
                await self._uploader.send_pending()
                await self._spans.post_pending()


def _make_url(scheme: str, address: tuple[str, int]) -> str:
    host, port = address
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
