"""Recordings of a real Nomad as JobFacts, and the table of what truly was at each of their moments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from serai.domain.observation import Observation, Phase, Replica
from serai.domain.reasons import Reason
from serai_nomad.facts import JobFacts

FOLDER = Path(__file__).parent / "nomad_recordings"
SHORT = 4
_LOOK = re.compile(r"(\d+)(?:\+(\d+))? \| (.+)")
_REPLICA = re.compile(r"(\w+):([a-z-]+)(?:\(([a-z-]+)(?:,(-?\d+))?\))?(?:\*(\d+))?")
_USUAL = {"ready": "", "backing-off": "restarting", "ended": "not-needed"}


@dataclass(frozen=True, slots=True)
class Told:
    """A reason as the table has it; code "" for none."""

    code: str = ""
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class Fate:
    """A replica as the table has it."""

    phase: str
    told: Told
    crashes: int


@dataclass(frozen=True, slots=True)
class Truth:
    """One line of the table. `replicas` is None where there was nothing."""

    recording: str
    snapshot: int
    later_s: float
    digests: dict[int, str]
    replicas: dict[str, Fate] | None = None
    waiting: Told = Told()
    failed: Told = Told()

    @property
    def name(self) -> str:
        return f"{self.recording}-{self.snapshot}+{self.later_s:g}"


def read_truths() -> list[Truth]:
    truths, heading = [], [""]
    for line in (FOLDER / "expected.txt").read_text(encoding="utf-8").splitlines():
        if match := _LOOK.fullmatch(line):
            digests = dict(_read_digest(word) for word in heading[2:])
            later_s = float(match[2] or 0.1)
            truths.append(_read_truth(Truth(heading[0], int(match[1]), later_s, digests), match[3]))
        elif line and not line.startswith("#"):
            heading = line.split()
    return truths


def _read_digest(word: str) -> tuple[int, str]:
    version, _, digest = word.partition("=")
    return int(version), digest


def _read_truth(head: Truth, line: str) -> Truth:
    if line == "nothing":
        return head
    replicas, waiting, failed = (part.strip() for part in f"{line} | -".split("|")[:3])
    fates = {} if replicas == "-" else dict(_read_fate(word) for word in replicas.split())
    return Truth(
        head.recording, head.snapshot, head.later_s, head.digests, fates, _read_told(waiting), _read_told(failed)
    )


def _read_fate(word: str) -> tuple[str, Fate]:
    match = _REPLICA.fullmatch(word)
    assert match, f"not a replica: {word}"
    id, phase, code, exit_code, crashes = match.groups()
    told = Told(code or _USUAL.get(phase, phase), int(exit_code) if exit_code else None)
    return id, Fate(phase, told, int(crashes or 0))


def _read_told(text: str) -> Told:
    code, _, exit_code = text.partition(",")
    return Told() if code == "-" else Told(code, int(exit_code) if exit_code else None)


def told(reason: Reason | None) -> Told:
    return Told(reason.code, reason.exit_code) if reason else Told()


def fate(replica: Replica) -> Fate:
    """Return a derived replica in the table's words, once its flags are those of its phase."""
    assert replica.live == (replica.phase is not Phase.ENDED)
    assert replica.ready == (replica.phase is Phase.READY)
    return Fate(replica.phase.value, told(replica.reason), replica.crashes)


def fates(observation: Observation) -> dict[str, Fate]:
    return {replica.id[:SHORT]: fate(replica) for replica in observation.replicas}


# the recordings


@cache
def load_recording(name: str) -> dict[str, Any]:
    recording: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return recording


def recorded_moments() -> Iterator[tuple[str, int]]:
    """Yield every snapshot of every recording that has some."""
    for path in sorted(FOLDER.glob("*.json")):
        for place, _ in enumerate(load_recording(path.stem).get("snapshots", ())):
            yield path.stem, place


def make_facts(snapshot: dict[str, Any], digests: dict[int, str] | None = None) -> JobFacts | None:
    """Return a snapshot's facts, None where there is no job. They were recorded without our Meta and tag."""
    job = snapshot["job"]
    if "_status" in job:
        return None
    group = job["TaskGroups"][0]
    return JobFacts(
        id=job["ID"],
        digest=(digests or {}).get(job["Version"], "one"),
        count=0 if job["Stop"] else group["Count"],
        is_stopped=job["Stop"],
        version=job["Version"],
        create_index=job["CreateIndex"],
        has_check=any(service.get("Checks") for service in group.get("Services") or ()),
        definition=job,
        digests=digests or {},
        allocations=tuple(snapshot["allocations"]),
        evaluations=tuple(snapshot["evaluations"]),
        checks={id: _answer(answer) for id, answer in snapshot["checks"].items()},
    )


def _answer(answer: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the checks as our client takes them: by id, {} for null, None for no answer."""
    if answer is None:
        return {}
    if "_status" in answer:
        return None
    checks: dict[str, Any] | None = answer["checks"]
    if checks is not None and "_status" in checks:
        return None
    return checks or {}


def newest_at(snapshot: dict[str, Any]) -> datetime:
    """Return the instant of the newest thing that a snapshot tells of."""
    rows = [*snapshot["allocations"], *snapshot["evaluations"]]
    states = [state for row in snapshot["allocations"] for state in (row.get("TaskStates") or {}).values()]
    events = [event["Time"] for state in states for event in state.get("Events") or ()]
    return datetime.fromtimestamp(max([*(row["ModifyTime"] for row in rows), *events]) / 1e9, UTC)


def look_at(snapshot: dict[str, Any], later_s: float) -> datetime:
    return newest_at(snapshot) + timedelta(seconds=later_s)
