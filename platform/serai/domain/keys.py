"""Keys with which programs call deployments: values as a key store returns them, never a secret."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .deployment import Deployment


@dataclass(frozen=True, slots=True)
class KeySecret:
    """A secret of a key: how it begins, and until when it is taken (None: as long as the key itself).

    `last_used_at` comes from the gateways' windows, so it is known about half a minute after the call.
    """

    prefix: str
    created_at: datetime
    ends_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A key and whom it lets in.

    `deployments` None: all that its owner has, now and later; else these alone, and none once they are all deleted.
    `expires_at` None is never. `secrets` are those that were not replaced yet, the newest first: more than one only
    while a rotation's overlap lasts.
    """

    id: int
    name: str
    owner: str
    deployments: tuple[str, ...] | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    secrets: tuple[KeySecret, ...]

    @property
    def prefix(self) -> str:
        """How its newest secret begins, to recognise it by."""
        return self.secrets[0].prefix

    @property
    def last_used_at(self) -> datetime | None:
        return max((secret.last_used_at for secret in self.secrets if secret.last_used_at), default=None)

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    def opens(self, deployment: Deployment) -> bool:
        """Return whether it is a key of this deployment, expired or not."""
        return self.owner == deployment.owner if self.deployments is None else deployment.name in self.deployments


@dataclass(frozen=True, slots=True)
class KeyWish:
    """A key as it is to be. `deployments` are whole: another one that gets the name of one deleted is not meant.

    `keeps_deployments`: of a change, those that the key has stay, whatever `deployments` says.
    """

    name: str
    owner: str
    deployments: tuple[Deployment, ...] | None
    expires_at: datetime | None
    keeps_deployments: bool = False
