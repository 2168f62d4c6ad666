"""The agents of a development cluster together: started in order, tended, ended in order."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from serai.domain.errors import SeraiError

from . import agents
from .access import Access, set_up_access
from .calls import Nomad, Refused, retry
from .folder import Folder, release_mounts
from .hcl import Node, Ports
from .leftovers import MARK, PART_MARK, end_leftovers
from .ports import HOST, TaskPorts
from .process import Leads, Part, Process
from .serai_part import clean_environment

PATIENCE_S = 10.0


class Stopped(Exception):
    """Ctrl-C came before everything was there."""


@dataclass(frozen=True, slots=True)
class Signals:
    """The first Ctrl-C sets `stop`, any further one `hurry`."""

    stop: threading.Event
    hurry: threading.Event


class Cluster:
    """A server and clients on loopback, each a process of its own. `say` takes lines for people."""

    def __init__(self, folder: Folder, nomad: Path, say: Callable[[str], None], signals: Signals) -> None:
        self._folder, self._nomad, self._say, self._signals = folder, nomad, say, signals
        self._task_ports = TaskPorts()
        self._watch, self._watch_end = os.pipe()  # the end is held open by this process alone
        self._last_watch, self._last_watch_end = os.pipe()  # this one by the clients' leashes, too
        self._env = clean_environment()
        self._processes: list[Process] = []
        self._agents: list[Process] = []  # the server first
        self._nodes: list[Node] = []  # the clients
        self._due_s: dict[str, float] = {}
        self._returning: set[str] = set()
        self.manager = Nomad("")

    @property
    def has_started(self) -> bool:
        return bool(self._processes)

    def start_server(self, ports: Ports) -> Access:
        """Start the server, and give Serai what it needs there."""
        part = agents.make_part(self._folder, self._nomad, agents.make_server_node(self._folder, ports))
        process = self.start(part, Leads(self._last_watch))
        self._agents.append(process)
        address = f"http://{HOST}:{ports.http}"
        access = set_up_access(Nomad(address), self._folder.root, agents.POOL, lambda: self.check(process))
        self.manager = Nomad(address, access.management.read_text(encoding="utf-8").strip())
        return access

    def start_clients(self, server: Ports, gpus: Sequence[str], count: int) -> None:
        """Start all clients. They take no jobs that were there before until `open_clients`."""
        rpc, leads = f"{HOST}:{server.rpc}", Leads(self._watch, self._last_watch_end)
        self._nodes = list(agents.make_client_nodes(self._folder, rpc, self._task_ports, gpus, count))
        self._agents += [self.start(agents.make_part(self._folder, self._nomad, node), leads) for node in self._nodes]
        retry(
            "the start of the clients",
            lambda: not agents.find_waiting(self.manager, self._nodes),
            lambda: self.check(*self._agents),
        )

    def open_clients(self) -> None:
        """Let jobs be placed on the clients again, which drained themselves when they ended the last time.

        Not before Serai answers: a replica fetches its files from there.
        """
        for node in self._nodes:
            agents.open_client(self.manager, node.name)

    def start(self, part: Part, leads: Leads | None = None, **env: str) -> Process:
        """Start a part that ends with this process; `env` is added to its environment."""
        marks = {MARK: str(self._folder.root), PART_MARK: part.name}
        process = Process(part, leads or Leads(self._watch), self._env | marks | env, self._folder.root)
        process.start()
        self._processes.append(process)
        return process

    def check(self, *processes: Process) -> None:
        """Raise Stopped where Ctrl-C came, SeraiError where one of these has ended."""
        if self._signals.stop.is_set():
            raise Stopped
        for process in processes:
            if (code := process.exit_code()) is not None:
                end = f"{process.part.name} ended before it was asked to (exit code {code})"
                raise SeraiError(f"{end}; its log {process.part.log} ends:\n{process.tail()}", "not-up")

    def tend(self) -> None:
        """Start agents again that have ended, after growing pauses; a client that returns takes jobs again."""
        for process in self._agents:
            self._look(process, time.monotonic())
        if self._returning:
            with suppress(OSError, Refused):
                back = [node for node in self._nodes if node.name in self._returning]
                waiting = {node.name for node in agents.find_waiting(self.manager, back)}
                for name in self._returning - waiting:
                    agents.open_client(self.manager, name)
                self._returning = waiting

    def end(self, processes: Sequence[Process]) -> None:
        """Ask these to end and wait; with `hurry` they are killed."""
        for process in processes:
            process.ask_to_end()
        is_hurried = False
        while not all(process.wait(0.1) for process in processes):
            if self._signals.hurry.is_set() and not is_hurried:
                is_hurried = True
                for process in processes:
                    process.ask_to_end()

    def end_agents(self) -> None:
        """End tasks, then the clients, then the server."""
        with suppress(OSError, Refused):
            self._end_tasks()
        self.end(self._agents[1:])
        self.end(self._agents[:1])

    def close(self) -> None:
        """Kill what is left, and give back descriptors and ports."""
        for descriptor in (self._watch, self._watch_end, self._last_watch, self._last_watch_end):
            with suppress(OSError):
                os.close(descriptor)
        self._task_ports.close()
        if killed := end_leftovers(self._folder.root):
            self._say(f"{killed} processes did not end and were killed")
        release_mounts(self._folder)
        for process in self._processes:
            process.wait(5)

    def _end_tasks(self) -> None:
        """Wait until all tasks have ended, each in the time that its model was given; with `hurry` no longer."""
        alive = [process.part.name for process in self._agents[1:] if process.exit_code() is None]
        nodes = agents.drain(self.manager, alive) if alive and self.manager.token else []
        begun_s, is_told = time.monotonic(), False
        while count := agents.count_running(self.manager, nodes) if nodes else 0:
            if self._signals.hurry.wait(0.2):
                break
            if not is_told and time.monotonic() - begun_s > PATIENCE_S:
                is_told = True
                self._say(f"{count} replicas take longer to end; Ctrl-C kills them")

    def _look(self, process: Process, now_s: float) -> None:
        name = process.part.name
        if name in self._due_s:
            if now_s >= self._due_s[name]:
                del self._due_s[name]
                process.start()
                self._returning |= {name} if name.startswith("client-") else set()
                self._say(f"{name} was started again")
        elif (code := process.exit_code()) is not None:
            pause_s = process.pause_s()
            self._due_s[name] = now_s + pause_s
            self._say(f"{name} ended (exit code {code}), see {process.part.log}; starting it again in {pause_s:g} s")
