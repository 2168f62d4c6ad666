"""Handover: who should have how many replicas, who gets new requests, when it is over."""

from __future__ import annotations

import pytest

from serai.domain.deployment import HandoverMode, Progress, Stage
from serai.domain.handover import choose_mode, is_finished, serving, wanted_counts
from serai.domain.observation import Fit, Verdict
from serai.domain.spec import Spec
from tests.domain.situations import NOW, later, make_situation, make_version

AUTO, OVERLAP, ROLLING, REPLACE = HandoverMode


def fit(placeable: int) -> Fit:
    return Fit(Verdict.NOW if placeable else Verdict.LATER, placeable)


@pytest.mark.parametrize(
    ("asked", "beside", "instead", "chosen"),
    [
        (OVERLAP, fit(0), fit(0), OVERLAP),
        (REPLACE, fit(9), fit(9), REPLACE),
        (ROLLING, None, None, ROLLING),
        (AUTO, None, None, OVERLAP),
        (AUTO, fit(3), fit(3), OVERLAP),
        (AUTO, fit(1), fit(3), ROLLING),
        (AUTO, fit(0), fit(3), REPLACE),
        (AUTO, fit(0), fit(1), REPLACE),
        (AUTO, fit(0), fit(0), OVERLAP),
        (AUTO, fit(0), None, OVERLAP),
    ],
)
def test_mode(asked: HandoverMode, beside: Fit | None, instead: Fit | None, chosen: HandoverMode) -> None:
    assert choose_mode(asked, 3, beside, instead) is chosen


# mode, replicas of the active (2) and the incumbent (1) -> wanted counts, who serves, whether it is over
ROWS = [
    (None, "", "rrr", {1: 3}, 1, False),
    (OVERLAP, "", "rrr", {2: 3, 1: 3}, 1, False),
    (OVERLAP, "rrl", "rrr", {2: 3, 1: 3}, 1, False),
    (OVERLAP, "rrr", "rrr", {2: 3, 1: 3}, 2, True),
    (OVERLAP, "rll", "sss", {2: 3, 1: 3}, 2, False),
    (ROLLING, "", "rrr", {2: 1, 1: 3}, 1, False),
    (ROLLING, "r", "rrr", {2: 2, 1: 2}, 1, False),
    (ROLLING, "rr", "rr", {2: 3, 1: 1}, 2, False),
    (ROLLING, "rrr", "r", {2: 3, 1: 0}, 2, True),
    (REPLACE, "", "rrr", {}, 1, False),
    (REPLACE, "", "ss", {}, 2, False),
    (REPLACE, "", "--", {2: 3}, 2, False),
    (REPLACE, "", "su", {}, 2, False),
    (REPLACE, "", "-u", {2: 3}, 2, False),
    (REPLACE, "rrr", "", {2: 3}, 2, True),
]


@pytest.mark.parametrize(("mode", "new", "old", "wanted", "server", "over"), ROWS)
def test_handover(
    mode: HandoverMode | None, new: str, old: str, wanted: dict[int, int], server: int, over: bool
) -> None:
    situation = make_situation(2, 1, 3, {1: old, 2: new}, mode)
    assert wanted_counts(situation) == wanted
    serves = serving(situation)
    assert serves is not None
    assert serves.number == server
    assert is_finished(situation, NOW) is over


def test_one_replica_that_never_starts_does_not_keep_two_versions_for_ever() -> None:
    new = make_version(2, Spec(start_timeout_s=60), progress=Progress(Stage.READY, NOW))
    situation = make_situation(2, 1, 3, {1: "rrr", 2: "rrl"}, OVERLAP, [make_version(1), new])
    assert not is_finished(situation, later(59))
    assert is_finished(situation, later(61))


def test_without_a_handover_the_active_version_has_the_count_and_serves() -> None:
    situation = make_situation(2, None, 3, {1: "r", 2: ""})
    assert wanted_counts(situation) == {2: 3}
    serves = serving(situation)
    assert serves is not None
    assert serves.number == 2


def test_nothing_is_wanted_of_a_stopped_deployment() -> None:
    assert wanted_counts(make_situation()) == {}
    assert serving(make_situation()) is None
