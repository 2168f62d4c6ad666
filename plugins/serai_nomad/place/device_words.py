"""Demands for devices in words: `2 GPUs matching 'H100|H200' with at least 40 GiB`."""

from __future__ import annotations

from serai.domain.quantity import format_bytes

from .asks import Ask, DeviceAsk
from .conditions import Constraint
from .device_attributes import Quantity, read_literal


def describe_devices(ask: Ask) -> str:
    return " and ".join(_describe(entry) for entry in ask.devices)


def _describe(entry: DeviceAsk) -> str:
    parts = entry.name.split("/", 2)
    model = [parts[2]] if len(parts) == 3 and parts[1] == "gpu" else []
    noun = _kind(entry) + ("" if entry.count == 1 else "s")
    return " ".join([str(entry.count), *model, noun, *(_condition(constraint) for constraint in entry.constraints)])


def _kind(entry: DeviceAsk) -> str:
    parts = entry.name.split("/", 2)
    if parts[-1] == "gpu" or (len(parts) == 3 and parts[1] == "gpu"):
        return "GPU" if len(parts) == 1 or parts[0] == "nvidia" else f"{parts[0]} GPU"
    return f"{entry.name} device"


def _condition(constraint: Constraint) -> str:
    plain = constraint.right.removeprefix("(?i)")
    if constraint.left == "${device.model}" and constraint.operand == "regexp":
        return f"matching {plain!r}"
    if constraint.left == "${device.model}" and constraint.operand in {"=", "==", "is"}:
        return f"of the model {plain!r}"
    if constraint.left == "${device.attr.memory}" and constraint.operand == ">=":
        return f"with at least {_size(plain)}"
    return f"with {constraint}"


def _size(literal: str) -> str:
    value = read_literal(literal)
    return format_bytes(float(value.amount)) if isinstance(value, Quantity) and value.base == "byte" else literal
