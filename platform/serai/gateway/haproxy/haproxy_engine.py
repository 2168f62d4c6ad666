"""The engine that has HAProxy carry requests; what HAProxy cannot do exactly goes to the asyncio engine behind it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from serai.domain.deployment import Access
from serai.domain.routes import Route, RouteTable
from serai.domain.traffic import Rate
from serai.gateway.carrier import Carrier
from serai.gateway.certificate import Certificate
from serai.gateway.engine import Announce, Engine, Health, Keep, KeepAll, TlsPlace
from serai.gateway.rates import WRONG_KEYS
from serai.gateway.record import RequestRecord
from serai.gateway.sampling import Tracing
from serai.gateway.waker import Wake

from .accounts import Accounts
from .backstage import Backstage
from .ending import drain, record_cut
from .folder import RunFolder
from .ledger import Ledger
from .master import HaproxyFailure, Master
from .names import HANDED
from .program import Program
from .reader import Records
from .render import ADMIN_SOCKET
from .runtime import Runtime, RuntimeFailure, parse_stat
from .slots import Slots, derive_count
from .supervision import Supervision
from .wanted import Wanted

log = logging.getLogger(__name__)

_TEND_S, _LOOK_S, _AUDIT_S = 0.1, 1.0, 15.0
_ACCOUNT_S = 5.0
_PORTS_TRIED = 3
# What HAProxy may not have taken is looked at again so soon.
_SUSPECT_S = 1.0


class HaproxyEngine(Engine):
    """Listens on host:port (0: a free port), with HAProxy's files in `folder`. Use it from one running loop."""

    name = "haproxy"

    def __init__(
        self,
        host: str,
        port: int,
        domain: str,
        keep: Keep,
        health: Health,
        folder: Path,
        program: Program,
        hold_limit: int = 1000,
        keep_all: KeepAll | None = None,
        tls: TlsPlace | None = None,
        wake: Wake | None = None,
        wrong_keys: Rate | None = WRONG_KEYS,
        tracing: Tracing | None = None,
    ) -> None:
        self._host, self._port, self._domain = host, port, domain
        self._keep = keep
        self._tls = tls
        self._folder = RunFolder(folder)
        self._carrier = Carrier(keep, health, hold_limit, wake, wrong_keys)
        self._ledger = Ledger(folder / "ledger")
        self._records = Records(keep_all or self._keep_each, self._ledger, tracing.keep if tracing else None)
        self._backstage = Backstage(self._folder, self._carrier, self._records, domain, tracing)
        self._runtime = Runtime(self._folder.socket(ADMIN_SOCKET))
        self._wanted = Wanted(Slots(0))
        self._accounts = Accounts(self._runtime, self._records, self._ledger, keep)
        share = tracing.share if tracing else None
        told = (self._accounts.begin, self._accounts.part)
        self._supervision = Supervision(program, self._folder, self._runtime, self._wanted, *told, wrong_keys, share)
        self._table = RouteTable(0, {})
        self._tasks: list[asyncio.Task[None]] = []
        self._native = 0
        self._is_open = False

    @property
    def address(self) -> tuple[str, int]:
        return self._host, self._port

    @property
    def tls_address(self) -> tuple[str, int] | None:
        return self._supervision.plan.tls

    @property
    def in_flight(self) -> int:
        return self._native + self._carrier.in_flight

    @property
    def master(self) -> Master:
        """Return HAProxy's process."""
        return self._supervision.master

    @property
    def pid(self) -> int:
        """Return the process id of HAProxy's master."""
        return self._supervision.master.pid

    @property
    def runtime(self) -> Runtime:
        """Return the way to HAProxy's own commands."""
        return self._runtime

    @property
    def known_servers(self) -> frozenset[str]:
        """Return the replicas that HAProxy has, as `<slot>/<server>`, draining ones included."""
        return frozenset(self._supervision.steering.known.servers)

    async def audit(self) -> None:
        """Compare what runs with what is wanted, and what was counted with what is on record, at once."""
        await self._supervision.steering.audit()
        await self._accounts.settle(self._wanted.deployments())

    def leaving(self) -> frozenset[str]:
        gone = self._supervision.steering.leaving() | self._supervision.old_replicas
        routed = {e.replica for route in self._table.routes.values() for e in route.endpoints} if gone else set()
        return self._carrier.leaving() | (gone - routed)

    async def start(self) -> None:
        await self._backstage.open()
        try:
            await self._launch()
        except (HaproxyFailure, OSError):
            self._release()
            raise
        self._port = self._supervision.plan.port
        self._tasks = [
            asyncio.create_task(part) for part in (self._supervision.supervise(), self._watch(), self._account())
        ]
        self._is_open = True

    async def apply(self, table: RouteTable) -> None:
        changed = self._carrier.apply(table)
        self._table = table
        if not self._is_open:
            return
        routes = {name: table.routes.get(name) for name in changed}
        lacking = self._wanted.lacks_slots(route for route in routes.values() if route is not None)
        if lacking:
            with suppress(HaproxyFailure):
                await self._supervision.grow(derive_count(len(table.routes)))
        await self._bring(routes)

    async def trust_keys(self, is_trusting: bool) -> None:
        self._carrier.trust_keys(is_trusting)
        self._wanted.is_trusting = is_trusting
        if self._is_open:
            keyed = {name: route for name, route in self._table.routes.items() if route.access is Access.KEYS}
            await self._bring(keyed)

    async def present(self, certificate: Certificate) -> None:
        if self._tls is not None:
            self._folder.write_certificate(certificate.pem)  # for its next start
            await self._supervision.present(certificate.pem)

    async def close(self, drain_s: float) -> None:
        if not self._is_open:
            return
        await self._end_tasks()
        await drain(self._runtime, [self.address, *([self.tls_address] if self.tls_address else [])], drain_s)
        cut = await record_cut(self._runtime, self._wanted.deployments())
        await self._carrier.close(0)
        with suppress(RuntimeFailure):
            await self._accounts.settle(self._wanted.deployments())
        await self._accounts.settle_parted(is_last=True)
        await self._supervision.master.stop()
        for record in cut:
            self._keep(record)
        self._release()

    async def leave(self, drain_s: float) -> None:
        """HAProxy serves on; requests for this process wait there for the next one, for up to 3 s."""
        if not self._is_open:
            return
        await self._end_tasks()
        self._backstage.refuse()
        await self._carrier.close(drain_s)
        with suppress(RuntimeFailure):
            await self._accounts.settle(self._wanted.deployments())
        await self._accounts.settle_parted(is_last=True)
        self._backstage.close()
        log.info("HAProxy (process %d) serves on, for the next gateway", self.pid)
        self._close_files()

    async def _end_tasks(self) -> None:
        self._is_open = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _bring(self, routes: Mapping[str, Route | None]) -> None:
        touched = self._wanted.take(routes)
        with suppress(RuntimeFailure):  # it has ended: it is started anew with what is wanted
            await self._supervision.steering.bring(touched)

    def _keep_each(self, records: Iterable[RequestRecord], announce: Announce | None = None) -> None:
        for record in records:
            self._keep(record)

    async def _launch(self) -> None:
        place = (self._host, self._port, self._domain)
        tls = (self._tls.host, self._tls.port) if self._tls else None
        if self._tls is not None:
            self._folder.write_certificate(self._tls.certificate.pem)
        if await self._supervision.adopt(*place, tls):
            await self._take_over()
            return
        for tries_left in reversed(range(_PORTS_TRIED)):
            self._supervision.claim(*place, derive_count(len(self._table.routes)), tls)
            self._wanted.take(dict(self._table.routes))
            try:
                await self._supervision.launch()
                return
            except HaproxyFailure:  # a port that was free may be somebody else's before HAProxy has it
                if self._port or not tries_left:
                    raise

    async def _take_over(self) -> None:
        found = await self._runtime.read_state()
        for name, row in found.rows.items():
            self._wanted.slots.assign(name, row.partition(":")[0])
        self._wanted.take(dict(self._table.routes))
        await self._supervision.take_over(found, partial(self._accounts.settle, self._wanted.deployments()))
        if self._tls is not None:
            await self._supervision.present(self._tls.certificate.pem)

    async def _watch(self) -> None:
        """Look after what HAProxy does, for ever."""
        loop = asyncio.get_running_loop()
        look_at, audit_at = loop.time(), loop.time() - _SUSPECT_S
        steering = self._supervision.steering
        while True:
            await asyncio.sleep(_TEND_S)
            with suppress(RuntimeFailure):
                if steering.is_draining():
                    await steering.tend()
                    self._wanted.slots.settle({key.partition("/")[0] for key in steering.known.servers})
                if loop.time() > look_at:
                    look_at = loop.time() + _LOOK_S
                    await self._look()
                if loop.time() > audit_at + (_SUSPECT_S if steering.is_suspect else _AUDIT_S):
                    audit_at = loop.time()
                    await steering.audit()

    async def _account(self) -> None:
        """See to it that every request is on record, for ever."""
        while True:
            await asyncio.sleep(_ACCOUNT_S)
            with suppress(RuntimeFailure):
                await self._accounts.settle(self._wanted.deployments())
            await self._accounts.settle_parted()

    async def _look(self) -> None:
        rows = parse_stat(await self._runtime.ask("show stat -1 2 -1"))
        self._native = sum(int(row["scur"]) for row in rows if row["pxname"] != HANDED)
        await self._supervision.forget_old()
        self._supervision.master.trim_output()

    def _release(self) -> None:
        self._backstage.close()
        self._folder.remove()
        self._close_files()

    def _close_files(self) -> None:
        self._ledger.close()
        self._folder.close()
