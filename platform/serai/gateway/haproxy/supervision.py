"""See to it that one HAProxy runs with what is wanted: started, taken over, reloaded when it grows, started anew."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from serai.domain.errors import Invalid
from serai.domain.traffic import Rate

from .folder import MASTER_SOCKET, RunFolder
from .master import HaproxyFailure, Master, claim_port
from .program import Program
from .render import CERTIFICATE, Plan
from .runtime import Runtime, RuntimeFailure
from .state import State
from .steering import Steering, replica_of
from .wanted import Wanted

log = logging.getLogger(__name__)

_PAUSES_S = (0.0, 0.2, 0.5, 1.0, 3.0)
_STEADY_S = 60.0
_THREADS = 8


class Supervision:
    """`plan` is what runs; known once launched.

    `part` is called before a worker is told to end, `began` when another takes requests.
    """

    def __init__(
        self,
        program: Program,
        folder: RunFolder,
        runtime: Runtime,
        wanted: Wanted,
        began: Callable[[], Awaitable[None]],
        part: Callable[[], Awaitable[None]],
        wrong_keys: Rate | None,
        trace_share: float | None = None,
    ) -> None:
        self._began = began
        self._part = part
        self._program = program
        self._folder = folder
        self._runtime = runtime
        self._wanted = wanted
        self.steering = Steering(runtime, wanted)
        self.master = Master(program.path, folder)
        self.plan = Plan("", 0, "", 0, count_threads(), wrong_keys=wrong_keys, trace_share=trace_share)
        self._old_replicas: set[str] = set()

    @property
    def old_replicas(self) -> set[str]:
        """Return the replicas that workers from before a reload may still be sending requests to."""
        return self._old_replicas

    async def adopt(self, host: str, port: int, domain: str, tls: tuple[str, int] | None = None) -> bool:
        """Take over the HAProxy that an earlier process left in the folder; return whether there is one that answers.

        Any other is ended: nobody steers it any more.
        """
        note = self._folder.read_note()
        if not await self.master.adopt():
            await self.master.end_stray(_number(note.get("pid")))
            return False
        slots, old_port = note.get("slots"), note.get("port")
        if isinstance(slots, int) and isinstance(old_port, int) and await self._describe():
            place = (tls[0], tls[1] or _number(note.get("tls_port"))) if tls else None
            self.plan = replace(self.plan, host=host, port=port or old_port, domain=domain, slots=slots, tls=place)
            self._wanted.slots.grow(slots)
            return True
        log.warning("the HAProxy that an earlier gateway left (process %d) does not answer: ended", self.master.pid)
        await self.master.stop()
        return False

    def claim(self, host: str, port: int, domain: str, slots: int, tls: tuple[str, int] | None = None) -> None:
        """Plan to listen at an address, 0: a free port. OSError where it is taken."""
        self._wanted.slots.grow(slots)
        place = (tls[0], claim_port(*tls)) if tls else None
        port = claim_port(host, port)
        self.plan = replace(self.plan, host=host, port=port, domain=domain, slots=self._wanted.slots.count, tls=place)

    async def launch(self) -> None:
        """Start HAProxy as planned, with all that is wanted. HaproxyFailure where it does not run."""
        state = self._wanted.copy()
        self._folder.write(self.plan, state)
        await self.master.start()
        self._note()
        await self._began()
        self.steering.began(state)
        self._old_replicas = set()

    async def take_over(self, found: State, settle: Callable[[], Awaitable[None]]) -> None:
        """Bring the adopted HAProxy, which knows `found`, to what is wanted.

        Where another configuration is planned, as after an upgrade, it goes on with that one. `settle` sees to it that
        what the worker has counted until then is on record.
        """
        await self._began()
        if f"serai-{self.plan.digest}" in await self._describe():
            log.info("HAProxy (process %d) has served on; it is taken over", self.master.pid)
            await self.steering.audit()
            return
        try:
            await settle()
            await self._renew(self.plan)
        except (OSError, HaproxyFailure, RuntimeFailure) as error:
            log.warning("HAProxy (process %d) has served on, and is ended: %s", self.master.pid, error)
            await self.master.stop()
            await self.launch()
            return
        self._old_replicas = {replica_of(key) for key in found.servers}
        log.info("HAProxy (process %d) has served on; it has another configuration now", self.master.pid)

    async def grow(self, slots: int) -> None:
        """Reload HAProxy with more slots; its old workers finish what they have. Where that cannot be, all stays."""
        before = self.steering.replicas()
        try:
            await self._renew(replace(self.plan, slots=slots))
        except (OSError, HaproxyFailure) as error:
            log.error("HAProxy cannot grow to %d deployments, the gateway itself carries the others: %s", slots, error)
            return
        self._old_replicas |= before
        self._wanted.slots.grow(slots)
        log.info("HAProxy was reloaded with room for %d deployments", slots)

    async def _renew(self, plan: Plan) -> None:
        """Have HAProxy go on with another configuration, and all that is wanted."""
        state = self._wanted.copy()
        self._folder.write(plan, state)
        await self._part()
        await self.master.reload()
        self.plan = plan
        self._note()
        await self._began()
        self.steering.began(state)

    async def present(self, pem: bytes) -> None:
        """Have HAProxy show another certificate from the next handshake on. Invalid where it does not take it.

        Where HAProxy has just ended, its next start reads the file.
        """
        commands = [f"set ssl cert {CERTIFICATE} <<\n{pem.decode()}", f"commit ssl cert {CERTIFICATE}"]
        try:
            answers = await self._runtime.run(commands)
            if "Success" not in answers[-1]:
                await self._runtime.ask(f"abort ssl cert {CERTIFICATE}")
                raise Invalid(f"HAProxy answers {' '.join(' '.join(answers).split())}", "gateway_tls_cert")
        except RuntimeFailure as failure:
            log.warning("the certificate is shown from HAProxy's next start on: %s", failure)

    async def forget_old(self) -> None:
        """Forget the old workers once they are gone."""
        if self._old_replicas and not await self.master.has_old_workers():
            self._old_replicas = set()

    async def supervise(self) -> None:
        """Start HAProxy anew whenever it ends, for ever."""
        failures, loop = 0, asyncio.get_running_loop()
        while True:
            began = loop.time()
            how = await self.master.ended()
            failures = 0 if loop.time() - began > _STEADY_S else failures + 1
            log.error("HAProxy has ended (%s); it is started anew", how)
            while not await self._relaunch(_PAUSES_S[min(failures, len(_PAUSES_S)) - 1]):
                failures += 1

    def _note(self) -> None:
        tls_port = self.plan.tls[1] if self.plan.tls else 0
        values = {"port": self.plan.port, "slots": self.plan.slots, "pid": self.master.pid, "tls_port": tls_port}
        try:
            self._folder.note(values)
        except OSError as error:
            log.warning("what runs cannot be noted (%s): the next gateway may end this HAProxy", error)

    async def _relaunch(self, pause_s: float) -> bool:
        await asyncio.sleep(pause_s)
        try:
            await self.launch()
        except (HaproxyFailure, OSError) as error:
            log.error("HAProxy cannot be started anew: %s", error)
            return False
        log.info("HAProxy runs again (process %d)", self.master.pid)
        return True

    async def _describe(self) -> str:
        """Return what HAProxy says of itself, "" where it does not answer."""
        try:
            return await self._runtime.ask("show info")
        except RuntimeFailure:
            return ""


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


async def end_leftover(path: Path) -> None:
    """End the HAProxy that an earlier gateway left in a folder, if there is one, and remove the folder."""
    if not path.exists():
        return
    folder = RunFolder(path)
    try:
        master = Master(Path(), folder)
        if await master.adopt():
            log.warning("the HAProxy that an earlier gateway left (process %d) is ended", master.pid)
            await master.stop()
        else:
            await master.end_stray(_number(folder.read_note().get("pid")))
        folder.remove()
    finally:
        folder.close()


def find_leftover(path: Path) -> int:
    """Return the port at which a HAProxy that lost its gateway serves on, 0 where there is none."""
    if not path.exists():
        return 0
    folder = RunFolder(path)
    try:
        port = folder.read_note().get("port")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(folder.socket(MASTER_SOCKET))
        return port if isinstance(port, int) else 0
    except OSError:
        return 0
    finally:
        folder.close()


def count_threads() -> int:
    """Return how many threads HAProxy gets: one for each core that is ours, up to a few."""
    return max(1, min(len(os.sched_getaffinity(0)), _THREADS))
