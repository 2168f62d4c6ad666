"""Make situations in few words: `situation(active=1, replicas={1: "rr-"})`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from serai.domain.deployment import Deployment, HandoverMode, Progress, Settings, Stage, Version
from serai.domain.handover import Situation
from serai.domain.observation import Observation, Phase, Replica
from serai.domain.reasons import Reason, make_reason
from serai.domain.spec import Spec

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

# One letter a replica: ready, checks failing, loading, placed, backing off after a crash, stopping, unreachable, ended.
PHASES = {
    "r": Phase.READY,
    "c": Phase.CHECKING,
    "l": Phase.LOADING,
    "p": Phase.PLACED,
    "b": Phase.BACKING_OFF,
    "s": Phase.STOPPING,
    "u": Phase.STOPPING,
    "-": Phase.ENDED,
}
REASONS = {"b": make_reason("crash-loop", exit_code=3), "u": make_reason("node-unreachable")}


def make_version(number: int, spec: Spec | None = None, **changes: object) -> Version:
    values: dict[str, object] = {
        "deployment": "m",
        "number": number,
        "spec": spec or Spec(bundle="sha256:" + "0" * 64),
        "created_at": NOW,
        "run": 1,
        "spec_digest": f"{number:064d}",
        "progress": Progress(Stage.QUEUED, NOW),
    }
    return Version(**(values | changes))  # type: ignore[arg-type]


def make_replica(version: Version, letter: str, place: int, crashes: int = 0, digest: str = "") -> Replica:
    phase = PHASES[letter]
    return Replica(
        id=f"{version.workload}-{place}",
        phase=phase,
        live=phase is not Phase.ENDED,
        ready=phase is Phase.READY,
        digest=digest or version.run_digest,
        since=NOW,
        started_at=NOW,
        address=f"127.0.0.1:{20000 + 100 * version.number + place}",
        crashes=crashes or int(letter == "b"),
        reason=REASONS.get(letter),
    )


def make_situation(
    active: int | None = None,
    incumbent: int | None = None,
    count: int = 1,
    replicas: dict[int, str] | None = None,
    handing: HandoverMode | None = None,
    versions: list[Version] | None = None,
    failed: dict[int, Reason] | None = None,
    crashes: int = 0,
    told: dict[int, int] | None = None,
    handover: HandoverMode = HandoverMode.AUTO,
) -> Situation:
    """Return a situation; `replicas` maps version numbers to letters, and a version left out is not observed."""
    known = {v.number: v for v in versions or [make_version(1), make_version(2), make_version(3)]}
    observations = {
        number: Observation(
            known[number].run_digest,
            (told or {}).get(number, len(letters)),
            tuple(make_replica(known[number], letter, i, crashes) for i, letter in enumerate(letters)),
            failed=(failed or {}).get(number),
        )
        for number, letters in (replicas or {}).items()
    }
    settings = Settings(count=count, handover=handover)
    deployment = Deployment("m", "ann", settings, NOW, NOW, active, incumbent, handing)
    return Situation(deployment, known, observations)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)
