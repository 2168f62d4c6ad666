"""Somebody who looks all the time while Nomad, nodes and Serai suffer, and notes what must never be."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from serai.client.client import Client, deployment_path
from serai.domain.errors import SeraiError
from tests.system.installation import Installation

EVERY_S = 0.1
# A look is held for so long while nothing changes: the server is not kept busy by who watches it.
HELD_S = 0.5


@dataclass(frozen=True, slots=True)
class Seen:
    """A deployment at a moment: of each version its state, its reason's code and how many replicas are ready."""

    at_s: float
    states: Mapping[int, str]
    codes: Mapping[int, str]
    ready: Mapping[int, int]
    handing: str | None
    is_stale: bool
    gpus: int

    @property
    def running(self) -> list[int]:
        return [number for number, state in self.states.items() if state == "running"]


class Watcher:
    """Reads each deployment whenever it changes, at most ten times a second; a server that is away is waited for.

    Noted as wrong: two versions running at once; a version that was there and is gone; an Error that is not one of
    `may_fail` (pairs of name and version), or any Error of the deployments in it where the version is None.
    """

    def __init__(
        self,
        serai: Installation,
        names: Collection[str],
        may_fail: Collection[tuple[str, int | None]] = (),
        every_s: float = EVERY_S,
    ) -> None:
        self._serai = serai
        self._may_fail = frozenset(may_fail)
        self._every_s = every_s
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._watch, args=(name,), daemon=True) for name in names]
        self._known: dict[str, set[int]] = {name: set() for name in names}
        self.story: dict[str, list[Seen]] = {name: [] for name in names}
        self.wrong: list[str] = []
        self.looks = 0
        self.was_away = 0

    @contextmanager
    def watching(self) -> Iterator[Watcher]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(30)

    def _watch(self, name: str) -> None:
        while not self._stop.is_set():
            try:
                with Client(self._serai.url, _token(self._serai), patience_s=0.1) as client:
                    index = 0  # a new server counts anew
                    while not self._stop.wait(self._every_s):
                        answer, index = client.read(deployment_path(name), index, HELD_S)
                        self._look(name, answer)
            except (SeraiError, OSError):  # the server is dead or about to be: the next look finds out
                self.was_away += 1
                self._stop.wait(self._every_s)

    def _look(self, name: str, answer: Any) -> None:
        seen = _read(answer)
        self.looks += 1
        if not self.story[name] or _differ(self.story[name][-1], seen):
            self.story[name].append(seen)
        if len(seen.running) > 1:
            self.wrong.append(f"{name}: versions {seen.running} are running at once")
        if lost := self._known[name] - seen.states.keys():
            self.wrong.append(f"{name}: lost versions {sorted(lost)}")
        self._known[name] |= seen.states.keys()
        for number, state in seen.states.items():
            if state == "error" and not self._may_fail & {(name, number), (name, None)}:
                self.wrong.append(f"{name}: version {number} is said to have failed: {_explain(answer, number)}")


def _read(answer: Any) -> Seen:
    versions = answer["versions"]
    live = [replica for version in versions for replica in version["replicas"] if replica["live"]]
    return Seen(
        at_s=time.monotonic(),
        states={version["number"]: version["state"] for version in versions},
        codes={version["number"]: (version["reason"] or {"code": ""})["code"] for version in versions},
        ready={version["number"]: version["ready"] for version in versions},
        handing=answer["handing"],
        is_stale=any(version["stale"] for version in versions),
        gpus=sum(len(replica["gpus"]) for replica in live),
    )


def _differ(before: Seen, after: Seen) -> bool:
    parts = ("states", "codes", "ready", "handing", "is_stale", "gpus")
    return any(getattr(before, part) != getattr(after, part) for part in parts)


def _explain(answer: Any, number: int) -> str:
    reasons = [version["reason"] for version in answer["versions"] if version["number"] == number]
    return str(reasons[0]["text"]) if reasons and reasons[0] else ""


def _token(serai: Installation) -> str:
    return (serai.data / "admin.token").read_text().strip()
