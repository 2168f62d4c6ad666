"""Rights on a fresh cluster: the first token, Serai's namespace, its policy and token, and the pool of nodes.

Every step may be done again: what is there already is kept, so that a start after a crash goes on where it ended.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from .calls import Nomad, Refused, retry

NAMESPACE = POLICY_NAME = "serai"
Check = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Access:
    """The files that hold the tokens, readable by their owner only."""

    management: Path
    serai: Path


def set_up_access(nomad: Nomad, folder: Path, pool: str = "default", check: Check = lambda: None) -> Access:
    """Give the cluster what Serai needs, and return the files with the tokens. Idempotent.

    Waits for a server that starts; `check` ends that by raising.
    """
    access = Access(folder / "management.token", folder / "serai.token")
    manager = replace(nomad, token=bootstrap(nomad, access.management, check))
    retry("making the namespace", lambda: _make_namespace(manager), check)
    rules = (files("serai_nomad") / "policy.hcl").read_text(encoding="utf-8")
    manager.put(
        f"/v1/acl/policy/{POLICY_NAME}", {"Name": POLICY_NAME, "Description": "Serai's own token", "Rules": rules}
    )
    if pool != "default":
        manager.put(f"/v1/node/pool/{pool}", {"Name": pool, "Description": "Nodes that Serai runs models on"})
    if not _is_valid(nomad, access.serai):
        made = manager.put("/v1/acl/token", {"Name": "serai", "Type": "client", "Policies": [POLICY_NAME]})
        write_secret(access.serai, made["SecretID"])
    return access


def bootstrap(nomad: Nomad, file: Path, check: Check = lambda: None) -> str:
    """Return the first token. It is chosen and written before Nomad takes it, so no crash can lose it."""
    if not file.exists():
        write_secret(file, str(uuid.uuid4()))
    token = file.read_text(encoding="utf-8").strip()
    retry("the server's election", lambda: nomad.get("/v1/status/leader"), check)
    retry("the first token", lambda: _bootstrap(nomad, token, file), check)
    return token


def write_secret(file: Path, text: str) -> None:
    """Write a file that nobody but its owner may read, at no time."""
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text + "\n")
    part.replace(file)


def _bootstrap(nomad: Nomad, token: str, file: Path) -> bool:
    try:
        nomad.put("/v1/acl/bootstrap", {"BootstrapSecret": token})
    except Refused as error:
        if error.status != 400 or "already done" not in error.message:
            raise
    if not _is_valid(nomad, file):
        raise Refused(
            f"the cluster was set up with another first token than that in {file}; put that one there, or begin anew",
            403,
        )
    return True


def _make_namespace(manager: Nomad) -> bool:
    manager.put(f"/v1/namespace/{NAMESPACE}", {"Name": NAMESPACE, "Description": "Models that Serai runs"})
    return True


def _is_valid(nomad: Nomad, file: Path) -> bool:
    """Return whether the token in `file` is one of this cluster."""
    if not file.exists():
        return False
    try:
        replace(nomad, token=file.read_text(encoding="utf-8").strip()).get("/v1/acl/token/self")
    except Refused as error:
        if error.status not in {403, 404}:
            raise
        return False
    return True
