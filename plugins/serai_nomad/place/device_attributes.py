"""Values of device attributes and of the literals they are compared with: text, truth values, quantities with units.

`40 GiB` and `40960 MiB` are the same quantity; quantities of different kinds (`40 GiB`, `40`) cannot be compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from serai_nomad.facts import Json


@dataclass(frozen=True, slots=True)
class Quantity:
    """An amount of the base unit: `byte`, `byte/s`, `hertz`, `watt`, or "" for a bare number."""

    amount: Fraction
    base: str = ""


Value = str | bool | Quantity


def _make_units() -> dict[str, tuple[str, Fraction]]:
    units = {"MHz": ("hertz", Fraction(10**6)), "GHz": ("hertz", Fraction(10**9))}
    units |= {f"{p}W": ("watt", Fraction(10) ** n) for p, n in {"m": -3, "": 0, "k": 3, "M": 6, "G": 9}.items()}
    sizes = {f"{letter}iB": 1024**power for power, letter in enumerate("KMGTPE", 1)}
    sizes |= {f"{letter}B": 1000**power for power, letter in enumerate("KMGTPE", 1)} | {"kB": 1000}
    for name, size in sizes.items():
        units[name], units[f"{name}/s"] = ("byte", Fraction(size)), ("byte/s", Fraction(size))
    return units


_UNITS = _make_units()
_NUMBER = re.compile(rf"([+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*({'|'.join(sorted(_UNITS, key=len, reverse=True))})?")
_TRUTHS = dict.fromkeys(("t", "T", "true", "True", "TRUE"), True) | dict.fromkeys(
    ("f", "F", "false", "False", "FALSE"), False
)


def read_literal(text: str) -> Value:
    """Return what a literal of a constraint means: a quantity where it looks like one."""
    if match := _NUMBER.fullmatch(text):
        return _make_quantity(match[1], match[2] or "")
    return _TRUTHS.get(text, text)


def read_attribute(raw: Json) -> Value | None:
    """Return an attribute of a device as Nomad's API writes it; None for one without a value or with a unit unknown."""
    unit = str(raw.get("Unit") or "")
    for number in (raw.get("Int"), raw.get("Float")):
        if number is not None:
            return _make_quantity(str(number), unit) if not unit or unit in _UNITS else None
    value = raw.get("String") if raw.get("String") is not None else raw.get("Bool")
    return value if isinstance(value, str | bool) else None


def _make_quantity(number: str, unit: str) -> Quantity:
    base, factor = _UNITS.get(unit, ("", Fraction(1)))
    return Quantity(Fraction(number) * factor, base)


def compare(left: Value, right: Value) -> int | None:
    """Return -1, 0 or 1 as `left` is less than, equal to or greater than `right`; None where they do not compare."""
    if isinstance(left, Quantity) and isinstance(right, Quantity):
        return _order(left.amount, right.amount) if left.base == right.base else None
    if isinstance(left, bool) and isinstance(right, bool):
        return int(left != right)
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    return None


def _order(left: Fraction, right: Fraction) -> int:
    return (left > right) - (left < right)
