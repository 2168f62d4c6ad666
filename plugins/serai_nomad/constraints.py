"""Constraints as people write them, `${node.class} = a100`, and as Nomad takes them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Constraint:
    """`target operand value`; `value` is "" for is_set and is_not_set, `target` "" for distinct_hosts."""

    target: str
    operand: str
    value: str


def parse_constraint(text: str, field: str) -> Constraint:
    """Return the parts of `text`; raise Invalid naming it and what would do."""
    raise NotImplementedError
