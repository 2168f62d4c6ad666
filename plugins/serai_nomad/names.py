"""The names that Serai gives to what it makes in Nomad: Meta keys, group, tasks, port."""

from __future__ import annotations

from .facts import Json

MANAGED, DEPLOYMENT, VERSION, DIGEST = "serai.managed", "serai.deployment", "serai.version", "serai.digest"


ATTEMPTS = "serai.attempts"  # how many crashes in a row before it was ready end a version
GROUP, TASK, INSTALL, PORT_LABEL = "model", "server", "install", "http"


def is_ours(meta: Json | None, instance: str) -> bool:
    """Tell whether a job belongs to this installation: its tag names us."""
    return bool(meta) and (meta or {}).get(MANAGED) == instance


def digest_of(meta: Json | None) -> str:
    return str((meta or {}).get(DIGEST, ""))
