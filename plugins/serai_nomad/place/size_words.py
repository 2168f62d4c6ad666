"""Processors, memory and disk in words: `10 GiB of memory`, `2000 MHz of CPU`."""

from __future__ import annotations

from serai.domain.quantity import format_bytes
from serai_nomad.facts import NodeFacts

from .asks import Ask
from .rooms import Room
from .stages import needed_mhz

SIZES = ("cores", "cpu", "memory", "disk")
_MIB = 2**20


def brief(name: str, amount: int) -> str:
    """Return an amount of one of SIZES."""
    if name == "cores":
        return f"{amount} whole core" if amount == 1 else f"{amount} whole cores"
    return f"{amount} MHz" if name == "cpu" else format_bytes(amount * _MIB)


def left_of(name: str, left: int, whole: int) -> str:
    """Return what is left of an amount: `1 GiB of 16 GiB of memory`, `500 of 16000 MHz of CPU`."""
    rest = max(0, left)
    return f"{brief(name, rest) if name in {'memory', 'disk'} else rest} of {size(name, whole)}"


def size(name: str, amount: int) -> str:
    """Return an amount with what it is of."""
    return brief(name, amount) + {"cpu": " of CPU", "memory": " of memory", "disk": " of disk"}.get(name, "")


def asked_size(name: str, ask: Ask, node: NodeFacts | None = None) -> str:
    """Return how much of one of SIZES a replica asks for; whole cores ask for a node's MHz, too."""
    if name == "cpu" and ask.cores:
        cores = brief("cores", ask.cores)
        return f"{cores} ({needed_mhz(ask, node)} MHz)" if node else cores
    return size(name, {"cores": ask.cores, "cpu": ask.mhz, "memory": ask.memory_mb, "disk": ask.disk_mb}[name])


def amount_there(name: str, has: Room | NodeFacts) -> int:
    return {"cores": has.cores, "cpu": has.mhz, "memory": has.memory_mb, "disk": has.disk_mb}[name]
