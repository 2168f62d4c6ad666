"""Short ways to say what a test starts from."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import TypeVar

from serai.domain.deployment import Deployment, Progress, Settings, Stage
from serai.domain.spec import Spec
from serai.store import deployments, events, versions
from serai.store.database import Database

T = TypeVar("T")
NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
SPEC = Spec(bundle="sha256:" + "0" * 64, command="./start.sh")


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def add_deployment(db: Database, name: str = "digits", versions_count: int = 0) -> Deployment:
    deployment = deployments.create_deployment(db, name, "ann", Settings(count=2), NOW, "ann")
    for _ in range(versions_count):
        versions.add_version(db, name, SPEC, {}, NOW, "ann")
    return deployment


def make_ready(db: Database, number: int, name: str = "digits", at: datetime | None = None) -> None:
    run = versions.get_version(db, name, number).run
    assert versions.set_progress(db, name, number, run, Progress(Stage.READY, at or later(12)))


def kinds(db: Database, after_id: int = 0) -> list[tuple[str, int | None]]:
    """Return kind and version of the events, oldest first."""
    return [(event.kind, event.version) for event in events.events_after(db, after_id)]


def at_once(count: int, act: Callable[[int], T]) -> list[T]:
    """Return what `act(0)` ... `act(count - 1)` return when `count` threads begin them at the same moment."""
    start = Barrier(count)

    def run(index: int) -> T:
        start.wait(30)
        return act(index)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
