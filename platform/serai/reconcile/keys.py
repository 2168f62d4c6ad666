"""What users may do with keys: who may, what is meant, the line of the timeline, and the gateways told at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

from serai.domain.accounts import team_of
from serai.domain.deployment import Deployment
from serai.domain.errors import Invalid, NotFound, NotSupported
from serai.domain.keys import Key, KeyWish
from serai.plugin.facade import Plugins
from serai.plugin.identity import Identity, Permission
from serai.plugin.key_store import KeyStore
from serai.store import deployments, events
from serai.store.database import Database
from serai.store.teams import check_owner, owners_of

from .changes import Changes
from .cluster import Cluster

LONGEST_OVERLAP_S = 30 * 86400.0


class Same(Enum):
    """What is not to be changed; None has a meaning of its own."""

    SAME = auto()


SAME: Final = Same.SAME


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What is to become different. `deployments` None: all of the owner's. `lifetime_s` counts from now, None: ever."""

    name: str | Same = SAME
    deployments: Sequence[str] | Same | None = SAME
    lifetime_s: float | Same | None = SAME


class Keys:
    """The verbs of keys. Everybody has their own, an administrator all; what one may not see is not found.

    Once a verb has returned, the route table that gateways wait for has what it changed.
    """

    def __init__(
        self,
        db: Database,
        plugins: Plugins,
        store: KeyStore | None,
        cluster: Cluster,
        changes: Changes,
        publish_access: Callable[[Collection[str]], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._db = db
        self._plugins = plugins
        self._kept = store
        self._cluster = cluster
        self._changes = changes
        self._publish_access = publish_access
        self._clock = clock
        self._writing = threading.Lock()

    @property
    def has_store(self) -> bool:
        """Whether a plugin keeps keys at all."""
        return self._kept is not None

    def list_keys(self, caller: Identity, deployment: str | None = None) -> list[Key]:
        """Return the caller's keys and its teams', an administrator's being all; those that open `deployment`."""
        owners = None if self._is_administrator(caller) else owners_of(self._db, caller.login)
        found = [key for key in self._store.list_keys() if owners is None or key.owner in owners]
        if deployment is None:
            return found
        whole = deployments.get_deployment(self._db, deployment)
        return [key for key in found if key.opens(whole)]

    def get(self, caller: Identity, id: int) -> Key:
        """Return a key. Raise NotFound."""
        key = self._store.get(id)
        if not self._is_theirs(caller, key):
            raise _not_found(id)
        return key

    def create(
        self,
        caller: Identity,
        name: str,
        names: Sequence[str] | None = None,
        lifetime_s: float | None = None,
        owner: str | None = None,
    ) -> tuple[Key, str]:
        """Return a new key and its secret, which is never shown again; the caller's own unless `owner` is given.

        A key of a team (`team:<name>`) is its members' to make, to see and to revoke.
        """
        owner = owner or caller.login
        if owner not in owners_of(self._db, caller.login):
            self._plugins.authorize(caller, Permission.ADMIN)
        if team_of(owner) is not None:
            check_owner(self._db, owner)
        now = self._clock()
        with self._changing():
            wish = KeyWish(name, owner, self._read_deployments(caller, names), _derive_end(now, lifetime_s))
            key, secret = self._store.create(wish, now, caller.login)
            self._note("key.created", key, caller, _describe_reach(key))
        self._publish([key])
        return key, secret

    def change(self, caller: Identity, id: int, change: KeyChange) -> Key:
        """Change a key's name, its deployments or its end; its secrets stay. Raise NotFound."""
        now = self._clock()
        with self._changing():
            before = self.get(caller, id)
            key = self._store.change(id, self._derive_wish(caller, before, change, now))
            if differences := ", ".join(_differences(before, key)):
                self._note("key.changed", key, caller, differences, before)
        self._publish([before, key])
        return key

    def rotate(self, caller: Identity, id: int, overlap_s: float) -> tuple[Key, str]:
        """Return the key and its new secret; the old one is taken for `overlap_s` seconds more. Raise NotFound."""
        if not 0 <= overlap_s <= LONGEST_OVERLAP_S:
            raise Invalid(f"overlap: {overlap_s:.0f} seconds are too long; give at most 30d", "overlap")
        now = self._clock()
        with self._changing():
            old = self.get(caller, id)
            key, secret = self._store.rotate(id, now, overlap_s)
            until = f"until {now + timedelta(seconds=overlap_s):%F %T} UTC" if overlap_s else "no more"
            self._note("key.rotated", key, caller, f"{old.prefix} is taken {until}")
        self._publish([key])
        return key, secret

    def revoke(self, caller: Identity, id: int) -> Key:
        """Forget a key, which is refused from then on, and return what it was. Raise NotFound."""
        with self._changing():
            self.get(caller, id)
            key = self._store.revoke(id)
            self._note("key.revoked", key, caller, "")
        self._publish([key])
        return key

    # parts

    @property
    def _store(self) -> KeyStore:
        if self._kept is None:
            raise NotSupported('no enabled plugin keeps keys; add "apikey" to `plugins` in serai.toml')
        return self._kept

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Run one transaction of the key store and the timeline, after which the store decides by it."""
        with self._writing:
            try:
                with self._db.write():
                    yield
            finally:
                self._store.refresh()

    def _is_theirs(self, caller: Identity, key: Key) -> bool:
        return key.owner in owners_of(self._db, caller.login) or self._is_administrator(caller)

    def _is_administrator(self, caller: Identity) -> bool:
        return self._plugins.allows(caller, Permission.ADMIN)

    def _read_deployments(self, caller: Identity, names: Sequence[str] | None) -> tuple[Deployment, ...] | None:
        """Return the deployments of these names, which the caller has to have the right to change."""
        if names is None:
            return None
        if not names:
            raise Invalid("deployments: name one at least, or none of them for all of the owner's", "deployments")
        found = tuple(self._find_deployment(name) for name in sorted(set(names)))
        for deployment in found:
            self._plugins.authorize(caller, Permission.WRITE, deployment.name)
        return found

    def _find_deployment(self, name: str) -> Deployment:
        try:
            return deployments.get_deployment(self._db, name)
        except NotFound as error:
            raise Invalid(
                f"deployments: there is no deployment {name!r}; `serai ls` names those there are", "deployments"
            ) from error

    def _derive_wish(self, caller: Identity, key: Key, change: KeyChange, now: datetime) -> KeyWish:
        keeps = change.deployments is SAME
        named = None if change.deployments is SAME else self._read_deployments(caller, change.deployments)
        end = key.expires_at if change.lifetime_s is SAME else _derive_end(now, change.lifetime_s)
        return KeyWish(key.name if change.name is SAME else change.name, key.owner, named, end, keeps)

    def _note(self, kind: str, key: Key, caller: Identity, text: str, before: Key | None = None) -> None:
        """Write who did what into the timeline: of each deployment named, or of none in particular."""
        named = {*(key.deployments or ()), *((before.deployments or ()) if before else ())}
        text = f"{key.name} ({key.prefix}…){f': {text}' if text else ''}"
        for name in sorted(named) or [""]:
            events.add_event(self._db, self._clock(), kind, name, text=text, actor=caller.login)

    def _publish(self, concerned: Iterable[Key]) -> None:
        keys = list(concerned)
        known = [situation.deployment for name in self._cluster.names() if (situation := self._cluster.situation(name))]
        names = [deployment.name for deployment in known if any(key.opens(deployment) for key in keys)]
        self._publish_access(names)
        for name in names or [""]:
            self._changes.bump(name)


def _derive_end(now: datetime, lifetime_s: float | None) -> datetime | None:
    return None if lifetime_s is None else now + timedelta(seconds=lifetime_s)


def _describe_reach(key: Key) -> str:
    reach = f"all deployments of {key.owner}" if key.deployments is None else ", ".join(key.deployments) or "none"
    return reach + (f", until {key.expires_at:%F %T} UTC" if key.expires_at else "")


def _differences(before: Key, after: Key) -> Iterator[str]:
    if before.name != after.name:
        yield f"was {before.name}"
    if _describe_reach(before) != _describe_reach(after):
        yield f"{_describe_reach(before)} -> {_describe_reach(after)}"


def _not_found(id: int) -> NotFound:
    return NotFound(f"there is no key {id} of yours; `serai keys ls` lists those there are", "key-not-found")
