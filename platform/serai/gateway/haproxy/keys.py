"""The rules that check a request's key, in a slot. Pure.

What a row says of access is one letter: `p` public, `k` keys, `x` keys, which may stand in X-Api-Key as well.
"""

from __future__ import annotations

from serai.domain.traffic import Rate

from .names import HANDED
from .plan import GRANTS, KEYS
from .problem_text import make_return
from .rates import count_wrong_keys
from .rows import KEY_HEADER

_MANUAL = "send a key of this deployment as `Authorization: Bearer <key>`"
_NAMED = "{ var(txn.access) -m str x }"


def hand_over_two_keys() -> list[str]:
    """Turn requests to the asyncio engine that name the header more than once, or have Authorization beside it."""
    several = f"(^|,){KEY_HEADER},(.*,)?({KEY_HEADER}|authorization)(,|$)|(^|,)authorization,(.*,)?{KEY_HEADER}(,|$)"
    return [f"http-request set-var(txn.be) str({HANDED}) if {_NAMED} {{ var(txn.names) -m reg {several} }}"]


def check_key(wrong_keys: Rate | None) -> list[str]:
    """Let a request pass whose key is granted, and is valid still; look-ups tell nothing about keys by their time."""
    keyed = "{ var(txn.access) -m str k x }"
    challenge = {"WWW-Authenticate": 'Bearer realm="serai"'}
    fresh = "{ date,sub(txn.ends) lt 0 }"
    named = f"{_NAMED} {{ req.fhdr({KEY_HEADER}) -m len gt 0 }}"
    return [
        f"http-request set-var(txn.hash) http_auth_bearer,sha2(256),hex,lower if {keyed}",
        f"http-request set-var(txn.hash) req.fhdr({KEY_HEADER}),sha2(256),hex,lower if {named}",
        f"http-request set-var(txn.grant) var(txn.hash),concat(/,txn.dep),map_str({GRANTS}) if {keyed}",
        "http-request set-var(txn.ends) var(txn.grant),field(1,:) if { var(txn.grant) -m found }",
        f"http-request set-var(txn.kid) var(txn.grant),field(2,:,0) if {{ var(txn.grant) -m found }} {fresh}",
        f"http-request set-var(txn.ends) var(txn.hash),map_str({KEYS}) if {keyed} !{{ var(txn.grant) -m found }}",
        make_return(
            403,
            "forbidden",
            "the key is valid but not for this deployment; ask its owner for access",
            f"if {keyed} !{{ var(txn.grant) -m found }} {{ var(txn.ends) -m found }} {fresh}",
        ),
        *count_wrong_keys(wrong_keys),
        make_return(
            401,
            "unauthenticated",
            f"this deployment takes keyed requests only, and no valid key was sent: {_MANUAL}",
            f"if {keyed} !{{ var(txn.kid) -m found }}",
            challenge,
        ),
        f"http-request del-header authorization if {keyed}",
        f"http-request del-header {KEY_HEADER} if {_NAMED}",
    ]
