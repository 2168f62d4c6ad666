"""The way of a version from deployed to ready, as steps with times, derived from each answer of the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# The steps in order, and the codes of reasons that place a version on one of them.
STEPS = ("queued", "placed", "fetching", "installing", "loading", "checking", "ready")
_CODES = {"scheduling": "queued", "no-capacity": "queued", "gpu-taken": "queued", "waiting-for-old": "queued"}
_RANK = {step: rank for rank, step in enumerate(STEPS)}


def find_step(version: Mapping[str, Any]) -> str:
    """Return the step of the replica that came furthest; "queued" where none is placed."""
    if version.get("state") == "running":
        return "ready"
    reason = version.get("reason") or {}
    phases = [
        str(replica.get("phase", "")) for replica in version.get("replicas") or () if replica.get("current", True)
    ]
    seen = [phase for phase in phases if phase in _RANK]
    if seen:
        return max(seen, key=_RANK.__getitem__)
    code = str(reason.get("code", ""))
    return code if code in _RANK else _CODES.get(code, "queued")


@dataclass(slots=True)
class Journey:
    """What has been seen of a version's way; `reached` holds the seconds at which each step was first seen."""

    reached: dict[str, float] = field(default_factory=dict)
    state: str = ""
    step: str = ""
    reason: str = ""
    ready: str = ""

    def take(self, version: Mapping[str, Any], elapsed_s: float) -> bool:
        """Take an answer in, `elapsed_s` seconds after the beginning. Return True if there is something new to say."""
        reason = version.get("reason") or {}
        now = (
            str(version.get("state", "")),
            find_step(version),
            str(reason.get("text", "")),
            f"{version.get('ready', 0)}/{version.get('wanted', 0)}",
        )
        before = (self.state, self.step, self.reason, self.ready)
        self.state, self.step, self.reason, self.ready = now
        self.reached.setdefault(self.step, elapsed_s)
        return now != before

    def is_behind(self, step: str) -> bool:
        """Return True for a step that is done, seen or skipped."""
        return self.step == "ready" or (self.step != "" and _RANK[step] < _RANK[self.step])
