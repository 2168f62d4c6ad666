"""States that never lie: every recorded moment of a real Nomad, against what truly was."""

from __future__ import annotations

import pytest

from serai_nomad.state.observation import derive_observation
from tests.plugins.nomad_truth import (
    Truth,
    fates,
    load_recording,
    look_at,
    make_facts,
    read_truths,
    recorded_moments,
    told,
)

TRUTHS = read_truths()


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.name)
def test_what_is_derived_is_what_was(truth: Truth) -> None:
    snapshot = load_recording(truth.recording)["snapshots"][truth.snapshot]
    facts = make_facts(snapshot, truth.digests)
    if facts is None or truth.replicas is None:
        assert facts is None and truth.replicas is None
        return
    seen = derive_observation(facts, None, look_at(snapshot, truth.later_s))
    assert (seen.count, seen.digest) == (facts.count, facts.digest)
    assert fates(seen) == truth.replicas
    assert told(seen.waiting) == truth.waiting
    assert told(seen.failed) == truth.failed


def test_no_recorded_moment_is_left_out() -> None:
    told_of = {(truth.recording, truth.snapshot) for truth in TRUTHS}
    assert told_of == set(recorded_moments())
