"""Many threads at once, and any order of calls: the invariants of intent hold."""

from __future__ import annotations

import tempfile
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from serai.domain.deployment import HandoverMode, Progress, Stage
from serai.domain.errors import Conflict, NotFound
from serai.domain.reasons import make_reason
from serai.store import deployments, events, tokens, versions
from serai.store.database import Database
from tests.store.intent import NOW, SPEC, add_deployment, at_once, kinds, later


def test_fifty_versions_at_once_get_fifty_numbers(db: Database) -> None:
    add_deployment(db)
    added = at_once(50, lambda index: versions.add_version(db, "digits", SPEC, {"I": str(index)}, NOW, "ann"))
    assert sorted(version.number for version in added) == list(range(1, 51))
    for index, version in enumerate(added):
        assert versions.load_secrets(db, "digits", version.number) == {"I": str(index)}
    assert Counter(kinds(db))[("version.created", 50)] == 1


def test_one_of_many_that_start_at_once_is_active(db: Database) -> None:
    add_deployment(db, versions_count=12)
    newest = events.last_event_id(db)
    at_once(12, lambda index: versions.activate(db, "digits", index + 1, NOW, "ann"))
    deployment = deployments.get_deployment(db, "digits")
    started = [number for kind, number in kinds(db, newest) if kind == "version.started"]
    superseded = [number for kind, number in kinds(db, newest) if kind == "version.superseded"]
    assert sorted(started) == list(range(1, 13))
    assert deployment.active == started[-1]
    assert superseded == started[:-1]


def test_start_many_times_at_once_is_one_start(db: Database) -> None:
    add_deployment(db, versions_count=1)
    answers = at_once(10, lambda index: versions.activate(db, "digits", 1, later(index), "ann"))
    assert len(set(map(repr, answers))) == 1
    assert versions.get_version(db, "digits", 1).run == 1


def test_name_is_given_once_of_many_at_once(db: Database) -> None:
    def create(index: int) -> bool:
        try:
            add_deployment(db)
        except Conflict:
            return False
        return True

    assert sum(at_once(10, create)) == 1


def test_failure_and_start_at_once_never_fail_the_new_run(db: Database) -> None:
    add_deployment(db, versions_count=2)
    versions.activate(db, "digits", 1, NOW, "ann")

    def act(index: int) -> bool:
        if index == 0:
            versions.activate(db, "digits", 2, NOW, "ann")
            return True
        return versions.fail_version(db, "digits", 1, 1, make_reason("crash-loop"), NOW)

    answers = at_once(6, act)
    assert sum(answers[1:]) <= 1
    assert deployments.get_deployment(db, "digits").active == 2
    assert (versions.get_version(db, "digits", 1).outcome is not None) is any(answers[1:])


def test_deletion_and_start_at_once_exclude_each_other(db: Database) -> None:
    for round_ in range(5):
        name = f"digits-{round_}"
        add_deployment(db, name, versions_count=1)

        def act(index: int, name: str = name) -> str:
            try:
                if index:
                    versions.activate(db, name, 1, NOW, "ann")
                else:
                    versions.delete_version(db, name, 1, NOW, "ann")
            except (Conflict, NotFound) as error:
                return error.code
            return "done"

        deleted, started = at_once(2, act)
        assert (deleted, started) in {("done", "version-not-found"), ("version-active", "done")}


def test_token_is_touched_by_many_and_revoked(db: Database) -> None:
    token, plaintext = tokens.create_token(db, "x", "ann", [], NOW)

    def act(index: int) -> None:
        if index == 0:
            tokens.revoke_token(db, token.id)
        tokens.touch_token(db, token, later(60 * index))

    at_once(8, act)
    assert tokens.find_token(db, plaintext, NOW) is None


class Intent(RuleBasedStateMachine):
    """Any calls in any order, as users and the reconciler make them, about one deployment."""

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.db = Database.open(f"sqlite:///{self.folder.name}/serai.db")
        add_deployment(self.db, versions_count=2)
        self.numbers = {1, 2}
        self.runs: dict[int, int] = {}

    def teardown(self) -> None:
        if hasattr(self, "db"):
            self.db.close()
            self.folder.cleanup()

    @rule()
    def add(self) -> None:
        number = versions.add_version(self.db, "digits", SPEC, {}, NOW, "ann").number
        assert number == max(self.numbers) + 1
        self.numbers.add(number)

    @rule(number=st.integers(1, 4))
    def activate(self, number: int) -> None:
        if self.exists(number):
            assert versions.activate(self.db, "digits", number, NOW, "ann").active == number

    @rule(number=st.integers(1, 4))
    def deactivate(self, number: int) -> None:
        if self.exists(number):
            deployment = versions.deactivate(self.db, "digits", number, NOW, "ann")
            assert number not in {deployment.active, deployment.incumbent}

    @rule(number=st.integers(1, 4))
    def delete(self, number: int) -> None:
        deployment = deployments.get_deployment(self.db, "digits")
        if not self.exists(number):
            return
        try:
            versions.delete_version(self.db, "digits", number, NOW, "ann")
        except Conflict:
            assert number in {deployment.active, deployment.incumbent}
        else:
            assert number not in {deployment.active, deployment.incumbent}

    @rule(number=st.integers(1, 4), run=st.integers(1, 3), stage=st.sampled_from(Stage))
    def progress(self, number: int, run: int, stage: Stage) -> None:
        versions.set_progress(self.db, "digits", number, run, Progress(stage, later(1)))

    @rule(number=st.integers(1, 4), run=st.integers(1, 3))
    def fail(self, number: int, run: int) -> None:
        deployment = deployments.get_deployment(self.db, "digits")
        if versions.fail_version(self.db, "digits", number, run, make_reason("crash-loop"), NOW):
            assert deployment.active == number
            assert deployments.get_deployment(self.db, "digits").active == deployment.incumbent

    @rule(active=st.integers(1, 4), incumbent=st.integers(1, 4), mode=st.sampled_from(HandoverMode))
    def hand_over(self, active: int, incumbent: int, mode: HandoverMode) -> None:
        chosen = versions.choose_handover(self.db, "digits", active, incumbent, mode, NOW)
        if chosen and mode is HandoverMode.REPLACE:
            assert versions.finish_handover(self.db, "digits", active, incumbent, NOW)

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "db"):
            return
        deployment = deployments.get_deployment(self.db, "digits")
        known = {version.number: version for version in versions.list_versions(self.db, "digits")}
        if deployment.incumbent is not None:
            assert deployment.active is not None
            assert deployment.active != deployment.incumbent
        else:
            assert deployment.handing is None
        for number in {deployment.active, deployment.incumbent} - {None}:
            assert known[number].outcome is None
            assert known[number].run >= 1
        for number, version in known.items():
            assert version.run >= self.runs.get(number, 0)
            self.runs[number] = version.run

    def exists(self, number: int) -> bool:
        return number in {version.number for version in versions.list_versions(self.db, "digits")}


TestAnyOrder = pytest.mark.timeout(120)(Intent.TestCase)
TestAnyOrder.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
