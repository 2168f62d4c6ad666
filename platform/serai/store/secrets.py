"""Secret values of versions, apart from everything that is shown, and their fingerprints."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from serai.domain.errors import SeraiError

from .database import Database
from .rows import MetaRow, SecretRow


def fingerprint_secrets(db: Database, values: Mapping[str, str]) -> dict[str, str]:
    """Return name -> HMAC-SHA-256 (hexadecimal) of name and value, keyed by this database's own random salt.

    The same values give the same fingerprints here and other ones elsewhere, so a digest can be compared and shown
    but not guessed at.
    """
    if not values:
        return {}
    salt = _load_salt(db)
    return {name: _fingerprint(salt, name, values[name]) for name in sorted(values)}


def store_secrets(db: Database, deployment: str, version: int, values: Mapping[str, str]) -> None:
    """Keep the values of a new version; they go when it goes."""
    with db.write():
        for name, value in values.items():
            SecretRow.insert(deployment=deployment, version=version, name=name, value=value).execute(db.peewee)


def load_secret_values(db: Database, deployment: str, version: int) -> dict[str, str]:
    """Return name -> value; empty for a version without secrets and for one that does not exist."""
    query = SecretRow.select().where(SecretRow.deployment == deployment, SecretRow.version == version)
    with db.read():
        return {row.name: row.value for row in query.order_by(SecretRow.name).execute(db.peewee)}


def _load_salt(db: Database) -> bytes:
    with db.read():
        row = MetaRow.select().where(MetaRow.key == "secret-salt").first(db.peewee)
    if row is None:
        raise SeraiError(f"the database {db.name} has lost its salt; restore it from a backup", "database-broken")
    return bytes.fromhex(row.value)


def _fingerprint(salt: bytes, name: str, value: str) -> str:
    return hmac.new(salt, f"{name}\0{value}".encode(), hashlib.sha256).hexdigest()
