"""The names that Serai gives to what it makes in Nomad: Meta keys, group, tasks, port."""

from __future__ import annotations

from .facts import Json

MANAGED, DEPLOYMENT, VERSION, DIGEST = "serai.managed", "serai.deployment", "serai.version", "serai.digest"
PROBE = "serai.probe"  # the time-out in seconds of the probe that Serai makes itself, where Nomad has no check
ATTEMPTS = "serai.attempts"  # how many crashes in a row before it was ready end a version
GROUP, TASK, INSTALL, PORT_LABEL = "model", "server", "install", "http"


def is_ours(meta: Json | None, instance: str) -> bool:
    """Tell whether a job belongs to this installation: its tag names us."""
    return bool(meta) and (meta or {}).get(MANAGED) == instance


def digest_of(meta: Json | None) -> str:
    return str((meta or {}).get(DIGEST, ""))


def probe_of(meta: Json | None) -> float | None:
    """Return the time-out of the probe of a job that Serai probes itself, None for one that Nomad checks."""
    text = str((meta or {}).get(PROBE, ""))
    try:
        return float(text) if text else None
    except ValueError:
        return 1.0
