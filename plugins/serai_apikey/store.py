"""Keys in the server's database. Who may do what has been decided before: `serai.reconcile.keys`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from serai.domain.errors import NotFound
from serai.domain.keys import Key, KeySecret, KeyWish
from serai.plugin import KeyStore, PluginDatabase

from .key_ring import KeyRing
from .secret import PREFIX_LENGTH, hash_secret, make_secret
from .tables import DeploymentRow, KeyRow, SecretRow


class ApiKeyStore(KeyStore):
    def __init__(self, database: PluginDatabase, ring: KeyRing) -> None:
        self._database = database
        self.ring = ring

    def create(self, wish: KeyWish, now: datetime, actor: str) -> tuple[Key, str]:
        self.ring.note_stale()
        with self._database.write():
            id: int = KeyRow.insert(
                name=wish.name,
                owner=wish.owner,
                reach=_reach_of(wish),
                created_at=now,
                created_by=actor,
                expires_at=wish.expires_at,
            ).execute(self._database.peewee)
            self._name_deployments(id, wish)
            return self._with_new_secret(id, now)

    def list_keys(self) -> list[Key]:
        return self._load(None)

    def get(self, id: int) -> Key:
        found = self._load(id)
        if not found:
            raise NotFound(f"there is no key {id} of yours; `serai keys ls` lists those there are", "key-not-found")
        return found[0]

    def change(self, id: int, wish: KeyWish) -> Key:
        engine = self._database.peewee
        self.ring.note_stale()
        with self._database.write():
            self.get(id)
            columns: dict[str, object] = {"name": wish.name, "expires_at": wish.expires_at}
            if not wish.keeps_deployments:
                columns["reach"] = _reach_of(wish)
                DeploymentRow.delete().where(DeploymentRow.apikey_id == id).execute(engine)
                self._name_deployments(id, wish)
            KeyRow.update(columns).where(KeyRow.id == id).execute(engine)
            return self.get(id)

    def rotate(self, id: int, now: datetime, overlap_s: float) -> tuple[Key, str]:
        engine, end = self._database.peewee, now + timedelta(seconds=overlap_s)
        self.ring.note_stale()
        with self._database.write():
            self.get(id)
            SecretRow.delete().where((SecretRow.apikey_id == id) & (SecretRow.ends_at <= now)).execute(engine)
            goes_on = SecretRow.ends_at.is_null() | (SecretRow.ends_at > end)
            SecretRow.update(ends_at=end).where((SecretRow.apikey_id == id) & goes_on).execute(engine)
            return self._with_new_secret(id, now)

    def revoke(self, id: int) -> Key:
        engine = self._database.peewee
        self.ring.note_stale()
        with self._database.write():
            key = self.get(id)
            KeyRow.delete().where(KeyRow.id == id).execute(engine)  # the rest goes with it
            return key

    def refresh(self) -> None:
        self.ring.refresh()

    def forget_deployment(self, name: str, deleted_at: datetime) -> None:
        """Take a deleted deployment out of the keys that name it; a later one of the name stays."""
        self.ring.note_stale()
        with self._database.write():
            ours = (DeploymentRow.deployment == name) & (DeploymentRow.born_at <= deleted_at)
            DeploymentRow.delete().where(ours).execute(self._database.peewee)
        self.ring.refresh()

    def _name_deployments(self, id: int, wish: KeyWish) -> None:
        for deployment in wish.deployments or ():
            row = DeploymentRow.insert(apikey_id=id, deployment=deployment.name, born_at=deployment.created_at)
            row.execute(self._database.peewee)

    def _with_new_secret(self, id: int, now: datetime) -> tuple[Key, str]:
        secret = make_secret()
        SecretRow.insert(apikey_id=id, prefix=secret[:PREFIX_LENGTH], hash=hash_secret(secret), created_at=now).execute(
            self._database.peewee
        )
        return self.get(id), secret

    def _load(self, id: int | None) -> list[Key]:
        """Return one key, or all of them, oldest first."""
        engine = self._database.peewee
        keys, named, secrets = KeyRow.select(), DeploymentRow.select(), SecretRow.select()
        if id is not None:
            keys = keys.where(KeyRow.id == id)
            named = named.where(DeploymentRow.apikey_id == id)
            secrets = secrets.where(SecretRow.apikey_id == id)
        with self._database.read():
            rows = list(keys.order_by(KeyRow.id).execute(engine))
            names: dict[int, list[str]] = defaultdict(list)
            for row in named.order_by(DeploymentRow.deployment).execute(engine):
                names[row.apikey_id].append(row.deployment)
            of: dict[int, list[KeySecret]] = defaultdict(list)
            for row in secrets.order_by(SecretRow.id.desc()).execute(engine):
                of[row.apikey_id].append(KeySecret(row.prefix, row.created_at, row.ends_at, row.last_used_at))
        return [_make_key(row, names[row.id], of[row.id]) for row in rows]


def _reach_of(wish: KeyWish) -> str:
    return "owner" if wish.deployments is None else "named"


def _make_key(row: KeyRow, names: Sequence[str], secrets: Sequence[KeySecret]) -> Key:
    return Key(
        id=row.id,
        name=row.name,
        owner=row.owner,
        deployments=None if row.reach == "owner" else tuple(names),
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        secrets=tuple(secrets),
    )
