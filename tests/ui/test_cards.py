"""Cards of replicas: gauges where something was measured, and else why not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from serai.domain.observation import Phase, Replica, Usage
from serai.domain.reasons import make_reason
from serai.web.ui.replicas import make_card

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MISSING = make_reason("statistics-missing", "Node n1 does not publish what replicas use.")


def make_replica(phase: Phase) -> Replica:
    return Replica("r", phase, phase is not Phase.ENDED, phase is Phase.READY, "d", NOW, NOW)


@pytest.mark.parametrize(
    ("phase", "usage", "gauges", "note"),
    [
        (Phase.READY, Usage("r", NOW, 0.5, memory_used_bytes=2**20), ["0.50", "1 MiB"], ""),
        (Phase.READY, Usage("r", NOW), ["no data", "no data"], ""),
        (Phase.READY, None, [], "No CPU and memory figures yet."),
        (
            Phase.READY,
            Usage("r", NOW, missing=MISSING),
            [],
            f"No CPU and memory figures: {MISSING.text} {MISSING.help}",
        ),
        (Phase.ENDED, Usage("r", NOW, missing=MISSING), [], ""),
    ],
)
def test_a_card(phase: Phase, usage: Usage | None, gauges: list[str], note: str) -> None:
    card = make_card(make_replica(phase), 1, usage)
    assert ([gauge.text for gauge in card.gauges], card.note) == (gauges, note)
