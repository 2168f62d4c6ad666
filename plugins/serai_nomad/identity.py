"""Who a replica is: verifies the token that Nomad signs for a task (a workload identity with the audience `serai`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import jwt

from serai.domain.errors import Invalid, Unauthenticated
from serai.domain.names import parse_workload_id
from serai.plugin import Identity, Permission

from .facts import Json
from .signing_keys import SigningKeys

AUDIENCE = "serai"
# By name, never by what the token says: a public key must not become an HMAC secret, and `none` is no signature.
ALGORITHMS = ("RS256", "EdDSA")
LEEWAY_S = 30.0
_OURS = "nomad_job_id"
_NO_INSTANT = 2**53  # nor are infinity and what is no number
_NEEDED = (_OURS, "nomad_namespace", "nomad_allocation_id", "nomad_task")


class WorkloadIdentities:
    """Identifies replicas of one cluster and namespace. May be used by many threads.

    `fetch_jwks` returns the answer of `/.well-known/jwks.json` and raises SeraiError where there is none.
    """

    def __init__(self, fetch_jwks: Callable[[], Json], namespace: str, clock: Callable[[], datetime]) -> None:
        self._keys = SigningKeys(fetch_jwks, clock)
        self._namespace = namespace
        self._clock = clock

    def identify(self, token: str) -> Identity | None:
        """Return the replica whose token this is: it may fetch its own bundle. None for what is no token of Nomad.

        Raise Unauthenticated for a token of Nomad that is bad, old or not for us, and SchedulerUnavailable where its
        key is not known and Nomad cannot be asked for it.
        """
        unproved = _read_unproved(token)
        if unproved is None:
            return None
        claims = self._verify(token, unproved)
        self._check_times(claims)
        job = self._check_place(claims)
        return Identity(f"{job}/{str(claims['nomad_allocation_id'])[:8]}", frozenset({Permission.FETCH}), job)

    def _verify(self, token: str, unproved: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the claims if the signature is one of the cluster's keys and the token is meant for us."""
        id = unproved.get("kid")
        key = self._keys.find(id) if isinstance(id, str) and unproved.get("alg") in ALGORITHMS else None
        if key is None:
            raise _refusal("it is not signed with a key of this cluster")
        options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "require": ["aud"]}
        try:
            return dict(jwt.decode(token, key.key, [key.algorithm_name], options, audience=AUDIENCE))
        except jwt.InvalidAudienceError as error:
            raise _refusal(f"its audience is not {AUDIENCE!r}") from error
        except jwt.PyJWTError as error:
            raise _refusal("its signature is wrong") from error

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        """Refuse what is over, has not begun, or never ends. Checked here, as the clock is an argument."""
        now_s = self._clock().timestamp()
        ends = _read_instant(claims, "exp")
        if ends is None:
            raise _refusal("it never expires; give the identity a ttl")
        if now_s >= ends + LEEWAY_S:
            raise _refusal("it has expired")
        begins = max(_read_instant(claims, "nbf") or 0.0, _read_instant(claims, "iat") or 0.0)
        if now_s < begins - LEEWAY_S:
            raise _refusal("it is not valid yet; compare the clocks of this machine and of Nomad's servers")

    def _check_place(self, claims: Mapping[str, Any]) -> str:
        """Return the id of the workload."""
        for name in _NEEDED:
            if not isinstance(claims.get(name), str) or not claims[name]:
                raise _refusal(f"it lacks {name}")
        if claims["nomad_namespace"] != self._namespace:
            raise _refusal(f"it is of the namespace {claims['nomad_namespace']!r}, not of {self._namespace!r}")
        job = str(claims[_OURS])
        try:
            parse_workload_id(job)
        except Invalid as error:
            raise _refusal(f"its job {job!r} is none of Serai's") from error
        return job


def _read_unproved(token: str) -> Mapping[str, Any] | None:
    """Return the header of a token that says it is Nomad's, nothing of it proved; None for anything else."""
    try:
        decoded = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, RecursionError):  # strangers send brackets in brackets
        return None
    return dict(decoded["header"]) if _OURS in decoded["payload"] else None


def _read_instant(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _NO_INSTANT:
        raise _refusal(f"its {name} is no instant")
    return float(value)


def _refusal(why: str) -> Unauthenticated:
    return Unauthenticated(f"Nomad's token for this task is refused: {why}")
