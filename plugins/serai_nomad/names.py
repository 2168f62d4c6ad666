"""What Serai writes into a job's Meta to know its own again."""

from __future__ import annotations

from .facts import Json

MANAGED, DEPLOYMENT, VERSION, DIGEST = "serai.managed", "serai.deployment", "serai.version", "serai.digest"


def is_ours(meta: Json | None, instance: str) -> bool:
    """Tell whether a job belongs to this installation: its tag names us."""
    return bool(meta) and (meta or {}).get(MANAGED) == instance


def digest_of(meta: Json | None) -> str:
    return str((meta or {}).get(DIGEST, ""))
