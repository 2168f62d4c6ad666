"""Curves can be told apart by everybody: the stylesheet's own colours, seen with each kind of colour blindness."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

import serai.web
from serai.domain.window import Clock
from serai.store.metrics import RequestMetrics
from serai.store.metrics_answer import Times
from serai.web.ui.metrics_requests import _STATUS_LOOKS, make_request_charts
from tests.ui.colour_sight import SIGHTS, contrast, distance
from tests.ui.test_metrics_words import NOW

STATIC = Path(serai.web.__file__).parent / "static"
LEAST = 20.0
"""Least distance between two curves: ten times what is just to be noticed."""
LEAST_CONTRAST = 3.0
"""Of what is no text, by WCAG 2.2 (1.4.11)."""


def read_property(name: str, scheme: str) -> str:
    text = (STATIC / "serai.css").read_text() + (STATIC / "charts.css").read_text()
    found = re.search(rf"--{name}: light-dark\((#\w{{6}}), (#\w{{6}})\);", text)
    assert found, f"--{name} is not a pair of colours"
    return found[1] if scheme == "light" else found[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("sight", SIGHTS)
def test_no_two_curves_look_alike(scheme: str, sight: str) -> None:
    hues = [read_property(f"hue-{number}", scheme) for number in range(8)]
    pairs = itertools.combinations(range(8), 2)
    found = {pair: distance(hues[pair[0]], hues[pair[1]], sight) for pair in pairs}
    assert {pair: apart for pair, apart in found.items() if apart < LEAST} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_curve_stands_out_from_its_ground(scheme: str) -> None:
    ground = read_property("bg", scheme)
    found = {number: contrast(read_property(f"hue-{number}", scheme), ground) for number in range(8)}
    assert {number: ratio for number, ratio in found.items() if ratio < LEAST_CONTRAST} == {}


def test_the_model_of_sight_is_right() -> None:
    """Red and green of one lightness are one colour to a deuteranope; blue and yellow are not."""
    assert distance("#a05a00", "#5f7a00", "full") > 30
    assert distance("#a05a00", "#5f7a00", "deuteranopia") < 12
    assert distance("#0000ff", "#ffff00", "deuteranopia") > 100
    assert distance("#123456", "#123456", "tritanopia") == 0
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    for sight in SIGHTS:
        assert distance("#000000", "#ffffff", sight) == pytest.approx(100, abs=0.1)


def test_what_shares_a_colour_or_a_stack_has_another_pattern() -> None:
    looks = list(_STATUS_LOOKS.values())
    assert len({hue for hue, _ in looks}) == len({dash for _, dash in looks}) == len(looks)
    nothing = RequestMetrics(NOW, NOW, 60, dict.fromkeys(Clock, Times()), ())
    _, times = make_request_charts(nothing, {})
    looks = [(curve.hue % 8, curve.dash % 4) for curve in times.curves]
    assert len(set(looks)) == len(looks)
