"""The check of an ID token: whose signature, whom it is from, whom it is for, until when, for which sign-in."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

import jwt

from serai.domain.errors import Unauthenticated

from .claims import Claims
from .settings import OidcSettings

LEEWAY_S = 60.0  # by which the clocks of provider and server may differ
_REQUIRED = ("iss", "sub", "aud", "exp", "iat")
_MAX_TOKEN = 64 * 1024
_MAX_SUBJECT = 255


class UnknownKey(Exception):
    """The token names a key that is not among those at hand; the provider may have another since."""


def check_id_token(token: str, keys: Sequence[jwt.PyJWK], settings: OidcSettings, nonce: str) -> Claims:
    """Return the claims of an ID token that holds for the sign-in of `nonce`.

    Raise UnknownKey for a key that is not there, Unauthenticated for whatever is wrong with the token. The time is
    this machine's, as PyJWT takes no other.
    """
    if len(token) > _MAX_TOKEN:
        raise refuse("it is too long")
    algorithm, key_id = _read_header(token, settings)
    try:
        claims = jwt.decode(
            token,
            _find_key(keys, key_id, algorithm).key,
            algorithms=[algorithm],
            audience=settings.client_id,
            issuer=settings.issuer,
            leeway=LEEWAY_S,
            options={"require": list(_REQUIRED)},
        )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise refuse(f"{type(error).__name__}: {error}") from error
    _check_party(claims, settings.client_id)
    if not isinstance(claims.get("nonce"), str) or not hmac.compare_digest(claims["nonce"].encode(), nonce.encode()):
        raise refuse("it belongs to another sign-in (nonce)")
    if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= _MAX_SUBJECT:
        raise refuse("its subject is none")
    return claims


def refuse(why: str) -> Unauthenticated:
    """Return the error for a token that does not hold."""
    return Unauthenticated(f"What the provider sent does not prove who you are: {why}", "sign-in-refused")


def _read_header(token: str, settings: OidcSettings) -> tuple[str, str | None]:
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError) as error:
        raise refuse(f"{type(error).__name__}: {error}") from error
    algorithm, key_id = header.get("alg"), header.get("kid")
    if algorithm not in settings.algorithms:
        raise refuse(f"it is signed by {algorithm!r}, and taken are {', '.join(settings.algorithms)}")
    if "crit" in header:
        raise refuse("it asks for extensions that nobody knows here")
    return str(algorithm), key_id if isinstance(key_id, str) else None


def _find_key(keys: Sequence[jwt.PyJWK], key_id: str | None, algorithm: str) -> jwt.PyJWK:
    """Return the key that a token names, or the only one that fits where it names none.

    A key that says its algorithm is for no other, so that a key is never used in a way that it was not made for.
    """
    fitting = [key for key in keys if key.algorithm_name == algorithm and key_id in (None, key.key_id)]
    if len(fitting) != 1:
        raise UnknownKey(key_id or "")
    return fitting[0]


def _check_party(claims: Claims, client_id: str) -> None:
    """Refuse a token that was made for another client and names this one besides."""
    party, audience = claims.get("azp"), claims["aud"]
    if (isinstance(audience, list) and len(audience) > 1 and party is None) or party not in (None, client_id):
        raise refuse("it was made for another client (azp)")
