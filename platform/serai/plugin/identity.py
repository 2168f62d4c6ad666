"""Who is asking, with what right."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Permission(StrEnum):
    """What a call needs. `READ` looks, `WRITE` deploys, scales, stops, deletes; `ADMIN` is tokens, users, plugins;
    `GATEWAY` reads the route table (which holds hashes of keys) and sends telemetry; `FETCH` downloads bundles, which
    hold code and weights: `WRITE` includes it, as who deploys a bundle can read it, and `READ` does not; `SPANS` sends
    spans, which add figures to the deployments that its login may write to, and nothing else; `WRITE` includes it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
    GATEWAY = "gateway"
    FETCH = "fetch"
    SPANS = "spans"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a caller presented: the token of `Authorization: Bearer` or of a signed-in session, and from where."""

    token: str = field(repr=False)
    remote: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller that is known. `login` names it in events, `permissions` is what it may do everywhere.

    `workload` is set where a replica calls for itself: the id of its workload. With FETCH, and no other permission,
    it gets the bundle of its own version alone, while that is to run or still does. `has_account`: the login is an
    account's, which without ADMIN writes to what it or one of its teams owns.
    """

    login: str
    permissions: frozenset[Permission] = frozenset()
    workload: str = ""
    has_account: bool = False
