"""How colours look to the colour-blind, and how far apart they then are.

The three dichromacies after Machado, Oliveira and Fernandes (2009), "A Physiologically-based Model for Simulation of
Color Vision Deficiency", severity 1.0, on linear RGB; distances in CIE L*a*b* (1976), where 2 is just to be noticed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Triple = tuple[float, float, float]
Matrix = tuple[Triple, Triple, Triple]

SIGHTS: dict[str, Matrix] = {
    "full": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
_TO_XYZ: Matrix = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
_WHITE: Triple = (0.95047, 1.0, 1.08883)


def distance(one: str, other: str, sight: str) -> float:
    """Return how far apart two colours `#rrggbb` look to somebody of this sight."""
    first, second = (_to_lab(see(colour, sight)) for colour in (one, other))
    return math.dist(first, second)


def contrast(one: str, other: str) -> float:
    """Return the ratio of luminances as WCAG 2 defines it, 1 to 21."""
    dark, light = sorted(_times(_TO_XYZ, _to_linear(colour))[1] for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def see(colour: str, sight: str) -> Triple:
    """Return a colour as linear RGB, as it looks to somebody of this sight."""
    red, green, blue = _times(SIGHTS[sight], _to_linear(colour))
    return _bound(red), _bound(green), _bound(blue)


def _to_linear(colour: str) -> Triple:
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return _expand(red), _expand(green), _expand(blue)


def _expand(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def _to_lab(linear: Triple) -> Triple:
    x, y, z = (_root(part / white) for part, white in zip(_times(_TO_XYZ, linear), _WHITE, strict=True))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _root(part: float) -> float:
    return math.cbrt(part) if part > 0.008856 else 7.787 * part + 16 / 116


def _times(matrix: Matrix, values: Sequence[float]) -> Triple:
    first, second, third = (sum(a * b for a, b in zip(row, values, strict=True)) for row in matrix)
    return first, second, third


def _bound(part: float) -> float:
    return min(1.0, max(0.0, part))
