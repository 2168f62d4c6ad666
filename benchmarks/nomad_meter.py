"""How the benchmark `nomad` measures: what a look costs, when a change becomes visible."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import psutil
import requests

from serai.domain.errors import SchedulerUnavailable
from serai.domain.observation import Observation
from serai.plugin import Scheduler

Json = dict[str, Any]


@dataclass(slots=True)
class Cost:
    """What something took: seconds, also of the processor, calls to Nomad by path, bytes of their unpacked answers."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    calls: Counter[str] = field(default_factory=Counter)
    received_bytes: int = 0


class CallMeter:
    """Counts what a session asks of Nomad, without changing it."""

    def __init__(self, session: requests.Session) -> None:
        self._lock = threading.Lock()
        self._cost = Cost()
        session.hooks["response"].append(self._note)

    @contextmanager
    def measure(self) -> Iterator[Cost]:
        """Yield what is filled in at the end: the cost of what was done meanwhile, in this process."""
        found = Cost()
        with self._lock:
            self._cost = Cost()
        cpu_s, start = time.process_time(), time.perf_counter()
        yield found
        found.wall_s, found.cpu_s = time.perf_counter() - start, time.process_time() - cpu_s
        with self._lock:
            found.calls, found.received_bytes = self._cost.calls, self._cost.received_bytes

    def _note(self, response: requests.Response, *args: object, stream: bool = False, **kwargs: object) -> None:
        size = 0 if stream else len(response.content)
        with self._lock:
            self._cost.calls[_shorten(response.request.path_url)] += 1
            self._cost.received_bytes += size


def _shorten(path: str) -> str:
    """Return a path without its query and ids."""
    parts = path.partition("?")[0].removeprefix("/v1/").split("/")
    return "/".join("*" if index and ("-" in part or part == "default") else part for index, part in enumerate(parts))


class Follower:
    """Does what the core does with hints: observes what they name; and waits until something is seen in it."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._seen = threading.Condition()
        self._latest: dict[str, tuple[float, Observation]] = {}
        self.hints = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def await_seen(self, id: str, is_so: Callable[[Observation], bool], timeout_s: float = 120) -> float:
        """Return when (time.time) an observation of a workload showed it."""
        with self._seen:
            if not self._seen.wait_for(lambda: id in self._latest and is_so(self._latest[id][1]), timeout_s):
                raise AssertionError(f"{id} was not seen so within {timeout_s} s; last: {self._latest.get(id)}")
            return self._latest[id][0]

    def get(self, id: str) -> Observation:
        return self._latest[id][1]

    def close(self) -> None:
        """Wait for the end of the hints; the scheduler has to be closed before."""
        self._thread.join()

    def _run(self) -> None:
        for id in self._scheduler.hints():
            try:
                seen, at = self._scheduler.observe([id]).get(id), time.time()
            except SchedulerUnavailable:
                return  # closed
            with self._seen:
                self.hints += 1
                if seen is None:
                    self._latest.pop(id, None)
                else:
                    self._latest[id] = (at, seen)
                self._seen.notify_all()


class RawStream:
    """Reads Nomad's event stream and nothing else: when each job was first named after `forget`."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
        self._connection.connect()
        self._socket: socket.socket = self._connection.sock
        self._connection.request("GET", "/v1/event/stream?topic=Job&topic=Allocation&topic=Evaluation")
        self._response = self._connection.getresponse()
        self._named: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def forget(self) -> None:
        self._named = {}

    def named_at(self, job: str) -> float | None:
        return self._named.get(job)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        try:
            while line := self._response.readline():
                at = time.time()
                for event in json.loads(line).get("Events") or ():
                    subject: Json = (event.get("Payload") or {}).get(event["Topic"]) or {}
                    self._named.setdefault(subject.get("JobID") or event["Key"], at)
        except (OSError, ValueError, http.client.HTTPException):
            return  # closed


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def middle(action: Callable[[], object], times: int) -> float:
    """Return the median seconds of `action`."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return median(taken)


def connections_to(process: psutil.Process, port: int) -> int:
    found = process.net_connections("tcp")
    return sum(1 for each in found if each.raddr and each.raddr.port == port and each.status == "ESTABLISHED")
