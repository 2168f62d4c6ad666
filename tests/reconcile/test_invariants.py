"""Whatever users, models, the scheduler and the server do, in any order: what must never happen does not."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from serai.domain.deployment import HandoverMode
from tests.reconcile.world import World

NUMBERS = st.integers(1, 6)


class Life(RuleBasedStateMachine):
    """Random lives of one deployment on a scheduler with few places."""

    world: World

    @initialize(places=st.sampled_from([None, 2, 3, 5]))
    def begin(self, places: int | None) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self._folder.name), places)
        self.images = 0
        self.orders_before = 0

    @rule(
        ready_after=st.integers(0, 3),
        crashes=st.sampled_from([0, 0, 0, 1, 99]),
        handover=st.sampled_from(["auto", "overlap", "rolling", "replace"]),
    )
    def deploy(self, ready_after: int, crashes: int, handover: str) -> None:
        if self.images < 6:
            self.images += 1
            number = self.images
            self.world.script(number, ready_after=ready_after, crashes=crashes)
            self.world.deploy(image=f"model:{number}", handover=handover, start_attempts=2, start_timeout="60s")

    @rule(number=NUMBERS)
    @precondition(lambda self: self.images)
    def start(self, number: int) -> None:
        self.world.lifecycle.start("m", 1 + number % self.images, "ann")

    @rule(number=st.none() | NUMBERS)
    @precondition(lambda self: self.images)
    def stop(self, number: int | None) -> None:
        self.world.lifecycle.stop("m", number and 1 + number % self.images, "ann")

    @rule(count=st.integers(0, 3))
    @precondition(lambda self: self.images)
    def scale(self, count: int) -> None:
        self.world.lifecycle.change("m", {"count": count}, "ann")

    @rule(seconds=st.sampled_from([0.1, 1, 1, 1, 100]))
    def tick(self, seconds: float) -> None:
        calls = len(self.world.scheduler.calls)
        self.world.tick(1, seconds)
        if not self.world.scheduler.reachable:
            verbs = {call.verb for call in list(self.world.scheduler.calls)[calls:]}
            assert verbs <= {"observe"}, "something was ordered without an observation"

    @rule(reachable=st.booleans())
    def network(self, reachable: bool) -> None:
        self.world.scheduler.reachable = reachable

    @rule()
    def restart_the_server(self) -> None:
        self.world = self.world.restarted()
        self.world.cluster.refresh_all()

    @rule()
    @precondition(lambda self: self.images and self.world.scheduler.reachable)
    def crash_a_replica(self) -> None:
        for workload, seen in self.world.scheduler.observe(None).items():
            for replica in seen.replicas:
                if replica.ready:
                    self.world.scheduler.crash(workload, replica.id)
                    return

    @invariant()
    def one_version_gets_new_requests(self) -> None:
        if not self.images:
            return
        route = self.world.routes.route("m")
        if route is not None and self.world.scheduler.reachable:
            assert len({e.version for e in route.endpoints}) <= 2
            assert len({e.replica for e in route.endpoints}) == len(route.endpoints)

    @invariant()
    def at_most_two_versions_are_told_to_run(self) -> None:
        if self.images and self.world.scheduler.reachable:
            told = [o for o in self.world.scheduler.observe(None).values() if o.count]
            assert len(told) <= 3  # the old, the new, and one whose replicas are still being drained

    @invariant()
    def a_version_fails_at_most_once_per_start(self) -> None:
        if self.images:
            for number in range(1, self.images + 1):
                failures = self._count("version.failed", number)
                assert failures <= self._count("version.started", number)

    @invariant()
    def nobody_else_is_blamed_for_what_serai_does(self) -> None:
        if self.images:
            assert self.world.events("workload.changed") == 0

    def _count(self, kind: str, number: int) -> int:
        from serai.store.events import list_events

        return sum(e.kind == kind and e.version == number for e in list_events(self.world.db, "m", limit=10_000))

    def teardown(self) -> None:
        """Left alone, everything comes to rest as it is wanted, and nothing more is planned."""
        world = self.world
        world.scheduler.reachable = True
        if self.images:
            world.tick(40)
            situation = world.cluster.situation("m")
            assert situation is not None
            active, count = situation.deployment.active, situation.deployment.settings.count
            expected = {active: count} if active and count else {}
            live = world.live()
            places = world.scheduler.places
            if places is not None and expected:
                expected = {k: min(v, places) for k, v in expected.items()}
            crashing = any(r.crashes for o in situation.observations.values() for r in o.replicas)
            # Side by side or not at all: where the old one has every place, the new one waits for as long as it takes.
            mode = situation.deployment.settings.handover
            is_waiting = mode is HandoverMode.OVERLAP and situation.deployment.incumbent is not None
            assert live == expected or crashing or is_waiting, f"{live} instead of {expected}"
            if not (crashing or is_waiting):
                assert world.has_nothing_to_do()
        world.close()
        self._folder.cleanup()


Life.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestLife = Life.TestCase
