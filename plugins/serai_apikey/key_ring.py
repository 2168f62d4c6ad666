"""Who is let in, kept in memory: grants by deployment and owner, read again when the tables changed."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from serai.domain.deployment import Deployment
from serai.domain.routes import Grant
from serai.plugin import PluginDatabase

from .tables import DeploymentRow, KeyRow, SecretRow

_Born = tuple[str, datetime]


@dataclass(frozen=True, slots=True)
class _Snapshot:
    by_owner: dict[str, tuple[Grant, ...]]
    by_deployment: dict[_Born, tuple[Grant, ...]]


class KeyRing:
    """The grants of all keys; safe to use from any thread.

    They are asked for with every look at every deployment, so they are not read from the database each time. While a
    change is `stale` and not yet known to be committed, they are.
    """

    def __init__(self, database: PluginDatabase) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._is_stale = False
        self._snapshot = self._load()

    def grants(self, deployment: Deployment) -> tuple[Grant, ...]:
        """Return the grants of a deployment: of its owner's keys and of those that name it."""
        snapshot = self._load() if self._is_stale else self._snapshot
        named = snapshot.by_deployment.get((deployment.name, deployment.created_at), ())
        return snapshot.by_owner.get(deployment.owner, ()) + named

    def note_stale(self) -> None:
        """Note that the tables are being changed."""
        self._is_stale = True

    def refresh(self) -> None:
        """Read the tables again. Where that fails they go on being read with every question."""
        with self._lock:
            self._snapshot = self._load()
            self._is_stale = False

    def _load(self) -> _Snapshot:
        engine = self._database.peewee
        with self._database.read():
            keys = {row.id: row for row in KeyRow.select().execute(engine)}
            secrets = list(SecretRow.select().order_by(SecretRow.id).execute(engine))
            named = list(DeploymentRow.select().execute(engine))
        grants: dict[int, list[Grant]] = defaultdict(list)
        for secret in secrets:
            grants[secret.apikey_id].append(_make_grant(keys[secret.apikey_id], secret))
        by_owner: dict[str, list[Grant]] = defaultdict(list)
        by_deployment: dict[_Born, list[Grant]] = defaultdict(list)
        for key in keys.values():
            if key.reach == "owner":
                by_owner[key.owner] += grants[key.id]
        for row in named:
            by_deployment[row.deployment, row.born_at] += grants[row.apikey_id]
        return _Snapshot(
            {owner: tuple(found) for owner, found in by_owner.items()},
            {born: tuple(found) for born, found in by_deployment.items()},
        )


def _make_grant(key: KeyRow, secret: SecretRow) -> Grant:
    """Return the grant of a secret; one that has ended too, so that its caller is told why it is refused.

    The id that gateways report is the secret's: so it is known whether an old one is still in use.
    """
    end = min((end for end in (key.expires_at, secret.ends_at) if end is not None), default=None)
    return Grant(secret.hash, str(secret.id), end.timestamp() if end else None)
