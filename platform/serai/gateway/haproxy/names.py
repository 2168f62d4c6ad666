"""Names in HAProxy: slots, and servers that say which version and replica they are. Pure."""

from __future__ import annotations

import re

HANDED, RESCUE = "handed", "rescue"
_UNFIT = re.compile(rb"[^A-Za-z0-9._-]")
_ESCAPE = re.compile(rb":([0-9a-f]{2})")


def slot_name(number: int) -> str:
    return f"p{number}"


def slot_number(name: str) -> int | None:
    """Return the number of a slot, None for another backend."""
    return int(name[1:]) if name.startswith("p") and name[1:].isdigit() else None


def server_name(version: int, replica: str) -> str:
    """Return `<version>.<replica>`; bytes that HAProxy takes in no name are written `:<hex>`."""
    return f"{version}." + _UNFIT.sub(lambda found: b":%02x" % found[0][0], replica.encode()).decode()


def parse_server_name(name: str) -> tuple[int, str]:
    """Return version and replica; (0, "") for a server that is no replica."""
    version, dot, replica = name.partition(".")
    if not dot or not version.isdigit():
        return 0, ""
    if ":" not in replica:
        return int(version), replica
    return int(version), _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), replica.encode()).decode()
