"""Whether a node or a group of devices meets a constraint; None where what is known does not tell."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from serai_nomad.facts import DeviceGroup, Json, NodeFacts

from .device_attributes import Quantity, Value, compare, read_attribute, read_literal

DISTINCT_HOSTS, DISTINCT_PROPERTY = "distinct_hosts", "distinct_property"
_UNKNOWN = object()


@dataclass(frozen=True, slots=True)
class Constraint:
    """`left` and `right` are literals or `${...}` as Nomad writes them."""

    left: str
    operand: str
    right: str

    def __str__(self) -> str:
        return " ".join(part for part in (self.left, self.operand, self.right) if part)


def parse_constraint(raw: Json) -> Constraint:
    return Constraint(raw.get("LTarget") or "", raw.get("Operand") or "=", raw.get("RTarget") or "")


def does_node_meet(constraint: Constraint, node: NodeFacts) -> bool | None:
    """Constraints among replicas (distinct_hosts, distinct_property) are met by every node as such."""
    if constraint.operand in {DISTINCT_HOSTS, DISTINCT_PROPERTY}:
        return True
    left, right = _resolve_on_node(constraint.left, node), _resolve_on_node(constraint.right, node)
    if left is _UNKNOWN or right is _UNKNOWN:
        return None
    return _check(constraint.operand, _as_text(left), _as_text(right), _compare_texts)


def does_group_meet(constraint: Constraint, group: DeviceGroup) -> bool | None:
    left, right = _resolve_on_group(constraint.left, group), _resolve_on_group(constraint.right, group)
    return _check(constraint.operand, left, right, compare)


def describe_values(constraint: Constraint, node: NodeFacts) -> str:
    """Return what a node has where the constraint looks, "" for nothing or not known."""
    value = _resolve_on_node(constraint.left, node)
    return value if isinstance(value, str) else ""


def _resolve_on_node(target: str, node: NodeFacts) -> object:
    """Return the text that `target` stands for on a node, None where it is not set there, or _UNKNOWN."""
    if not target.startswith("${"):
        return target
    name = target[2:].removesuffix("}")
    plain = {
        "node.unique.id": node.id,
        "node.unique.name": node.name,
        "node.datacenter": node.datacenter,
        "node.class": node.node_class,
        "node.pool": node.pool,
    }
    if name in plain:
        return plain[name]
    kind, _, key = name.partition(".")
    values = {"attr": node.attributes, "meta": node.meta}.get(kind)
    if values is None or (key not in values and not node.is_detailed):
        return _UNKNOWN
    return values.get(key)


def _as_text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _resolve_on_group(target: str, group: DeviceGroup) -> Value | None:
    if not target.startswith("${"):
        return read_literal(target)
    name = target[2:].removesuffix("}")
    plain = {
        "device.ids": ",".join(instance.id for instance in group.instances),
        "device.model": group.model,
        "device.vendor": group.vendor,
        "device.type": group.type,
    }
    if name in plain:
        return plain[name]
    raw = group.attributes.get(name.removeprefix("device.attr."))
    return read_attribute(raw) if raw else None


_ORDERS: dict[str, Callable[[int], bool]] = {
    "=": lambda order: order == 0,
    "==": lambda order: order == 0,
    "is": lambda order: order == 0,
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
}


def _check(operand: str, left: Value | None, right: Value | None, order: Callable[..., int | None]) -> bool | None:
    """Return whether the operand holds of two values; None of them: not set. Versions and what is new are not told."""
    if operand == "is_set":
        return left is not None
    if operand == "is_not_set":
        return left is None
    if operand in {"!=", "not"}:
        return _differ(left, right, order)
    if left is None or right is None:
        return False
    if operand in _ORDERS:
        found = order(left, right)
        return found is not None and _ORDERS[operand](found)
    if operand == "regexp":
        return _matches(left, right)
    if operand in {"set_contains", "set_contains_all", "set_contains_any"}:
        return _contains(left, right, any if operand.endswith("any") else all)
    return None


def _differ(left: Value | None, right: Value | None, order: Callable[..., int | None]) -> bool:
    if left is None or right is None:
        return left is not right
    return order(left, right) not in {0, None}


def _matches(text: Value, pattern: Value) -> bool | None:
    """Nomad's expressions are RE2's; what Python cannot read the same way is not told."""
    if not isinstance(text, str) or not isinstance(pattern, str):
        return False
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return None


def _contains(left: Value, right: Value, how: Callable[..., bool]) -> bool:
    if not isinstance(left, str) or not isinstance(right, str):
        return False
    has = {part.strip() for part in left.split(",")}
    return how(part.strip() in has for part in right.split(","))


def _compare_texts(left: str, right: str) -> int:
    """Order two texts as numbers where both are, else as texts."""
    one, two = read_literal(left), read_literal(right)
    if isinstance(one, Quantity) and isinstance(two, Quantity) and not one.base and not two.base:
        return (one.amount > two.amount) - (one.amount < two.amount)
    return (left > right) - (left < right)
