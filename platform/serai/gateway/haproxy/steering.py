"""Keep a running HAProxy in step with what is wanted: differences are computed, applied, and looked for again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from .names import parse_server_name
from .plan import plan, remove_server
from .runtime import Runtime, RuntimeFailure, parse_stat
from .state import Server, State
from .wanted import Touched, Wanted

log = logging.getLogger(__name__)

_SHOWN = 5
# What HAProxy says when it has done as it was told; most commands say nothing.
_CONTENT = ("New server registered", "Server deleted", "IP changed", "no need to change", "port changed")


class Steering:
    """`known` is what HAProxy was told last. One loop; calls take turns."""

    def __init__(self, runtime: Runtime, wanted: Wanted) -> None:
        self._runtime = runtime
        self._wanted = wanted
        self._turn = asyncio.Lock()
        self._loads: dict[str, int] = {}  # requests in flight at draining servers, when they were looked at last
        self.known = State()
        self.repairs = 0
        self.is_suspect = False

    def began(self, state: State) -> None:
        """Take note that HAProxy was started with `state`: what has changed since will be found."""
        self.known = state
        self._loads, self.is_suspect = {}, True

    def leaving(self) -> set[str]:
        """Return the replicas at draining servers that carried requests when they were looked at last."""
        return {replica_of(key) for key, load in self._loads.items() if load}

    def replicas(self) -> set[str]:
        """Return the replicas that HAProxy knows."""
        return {replica_of(key) for key in self.known.servers}

    def is_draining(self) -> bool:
        return any(server.is_draining for server in self.known.servers.values())

    async def bring(self, touched: Touched) -> None:
        """Bring what was touched into effect. RuntimeFailure where HAProxy is not there: it is told at its start."""
        async with self._turn:
            wanted = touched.of(self._wanted.state)
            commands = plan(touched.of(self.known), wanted)
            try:
                await self._run(commands)
            except RuntimeFailure:
                self.is_suspect = True
                raise
            finally:
                self._note(touched, wanted)
            if any(command.endswith("state drain") for command in commands):
                await self._look()

    async def audit(self) -> None:
        """Compare what runs with what is wanted, repair it, and say what differed."""
        async with self._turn:
            self.is_suspect = True  # until it is known better
            found = await self._runtime.read_state()
            self.is_suspect = False
            self._tell_oddities(found)
            wanted = self._wanted.copy()  # it may change while HAProxy is spoken to
            await self._run(plan(found, wanted))
            draining = {key: Server(server.address, True) for key, server in found.servers.items()}
            self.known = replace(wanted, servers=draining | wanted.servers)
            await self._look()

    def _tell_oddities(self, found: State) -> None:
        """Say what is not as HAProxy was told. What it has not been told yet, as a change waits its turn, is none."""
        serving = {key: server for key, server in self.known.servers.items() if not server.is_draining}
        repairs = plan(found, replace(self.known, servers=serving))
        if repairs:
            self.repairs += 1
            more = f" and {len(repairs) - _SHOWN} more" if len(repairs) > _SHOWN else ""
            log.warning("HAProxy was not as the routes want it; repaired: %s%s", _shorten(repairs[:_SHOWN]), more)

    async def tend(self) -> None:
        """Remove the servers that carry nothing any more."""
        async with self._turn:
            await self._look()
            idle = [key for key, load in self._loads.items() if not load]
            answers = await self._runtime.run([command for key in idle for command in remove_server(key)])
            servers = self.known.servers
            for key, answer in zip(idle, answers[1::2], strict=True):
                if "Server deleted" in answer or "No such server" in answer:
                    servers.pop(key, None)
                    del self._loads[key]

    async def _look(self) -> None:
        """See what draining servers carry."""
        draining = {key for key, server in self.known.servers.items() if server.is_draining}
        if not draining:
            self._loads = {}
            return
        slots = sorted({key.partition("/")[0] for key in draining})
        answers = await self._runtime.run([f"show stat {slot} 4 -1" for slot in slots])
        loads = {f"{row['pxname']}/{row['svname']}": int(row["scur"]) for text in answers for row in parse_stat(text)}
        self._loads = {key: loads.get(key, 0) for key in draining}

    async def _run(self, commands: Sequence[str]) -> None:
        answers = await self._runtime.run(commands)
        for command, answer in zip(commands, answers, strict=True):
            if answer and not answer.startswith(_CONTENT):
                self.is_suspect = True
                log.warning("HAProxy answers %s: %s", _shorten([command]), answer.strip())

    def _note(self, touched: Touched, wanted: State) -> None:
        """Know what was touched as it is wanted; servers that are not wanted any more drain."""
        before = touched.of(self.known)
        for known, old, new in (
            (self.known.rows, before.rows, wanted.rows),
            (self.known.grants, before.grants, wanted.grants),
            (self.known.keys, before.keys, wanted.keys),
        ):
            for key in old.keys() - new.keys():
                del known[key]
            known.update(new)
        servers = self.known.servers
        servers.update({key: Server(server.address, True) for key, server in before.servers.items()})
        servers.update(wanted.servers)


def replica_of(key: str) -> str:
    """Return the replica of `<slot>/<server>`."""
    return parse_server_name(key.partition("/")[2])[1]


def _shorten(commands: Sequence[str]) -> str:
    """Return commands for the log: of a key's hash a beginning only."""
    words = ([word[:8] if len(word.partition("/")[0]) == 64 else word for word in text.split()] for text in commands)
    return "; ".join(" ".join(line) for line in words)
