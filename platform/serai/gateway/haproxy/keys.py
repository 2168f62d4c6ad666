"""The rules that check a request's key, in a slot. Pure.

What a row says of access is one letter: `p` public, `k` keys, `x` keys, which may stand in X-Api-Key as well.
"""

from __future__ import annotations

from serai.domain.traffic import Rate
from serai.gateway.keys import EXPIRED, FORBIDDEN, describe_missing, describe_wrong

from .plan import GRANTS, KEYS
from .problem_text import make_return
from .rates import count_wrong_keys
from .rows import KEY_HEADER, ends_with, is_letter

_GRANTED = "{ var(txn.kid) -m found }"
# Which other header may have the key, and the condition that it was not let in by it.
_WAYS = tuple((header, f"!{_GRANTED} {is_letter(letter)}") for letter, header in (("k", ""), ("x", KEY_HEADER)))


def check_key(wrong_keys: Rate | None) -> list[str]:
    """Let a request pass whose key is granted, and is valid still; end here where no rate is to be kept.

    Most are let in before what few need is asked. Look-ups tell nothing about keys by their time. `kid` is the key's
    id, of one that ends behind the end.
    """
    named = f"{is_letter('x')} {{ req.fhdr({KEY_HEADER}) -m len gt 0 }}"
    lasting = f"{_GRANTED} !{{ var(txn.kid) -m beg @ }}"
    bearer, other = (f"{place},sha2(256),hex,lower" for place in ("http_auth_bearer", f"req.fhdr({KEY_HEADER})"))
    grant = f"concat(/,txn.dep),map_str({GRANTS})"
    return [
        f"http-request allow if {ends_with('p')}",
        f"http-request set-var(txn.kid) {bearer},{grant}",
        f"http-request del-header authorization if {lasting}",
        f"http-request allow if {lasting} {ends_with('k')}",
        f"http-request set-var(txn.kid) {other},{grant} if {named}",
        *_end_keys(),
        f"http-request set-var(txn.hash) {bearer} if !{_GRANTED}",
        f"http-request set-var(txn.hash) {other} if !{_GRANTED} {named}",
        f"http-request del-header authorization if {_GRANTED}",
        f"http-request allow if {_GRANTED} {ends_with('k')}",
        f"http-request del-header {KEY_HEADER} if {is_letter('x')}",
        f"http-request allow if {_GRANTED} {ends_with('x')}",
        *_refuse(wrong_keys),
    ]


def _end_keys() -> list[str]:
    """Take the end off `kid`; where it has passed, `kid` goes, and `gone` is set."""
    ends = "{ var(txn.ends) -m found }"
    return [
        "http-request set-var(txn.ends) var(txn.kid),field(1,:),bytes(1) if { var(txn.kid) -m beg @ }",
        f"http-request set-var(txn.gone) bool(true) if {ends} !{{ date,sub(txn.ends) lt 0 }}",
        f"http-request set-var(txn.kid) var(txn.kid),field(2,:,0) if {ends}",
        "http-request unset-var(txn.kid) if { var(txn.gone) -m found }",
    ]


def _refuse(wrong_keys: Rate | None) -> list[str]:
    """Answer who needs a key and has none."""
    refused = f"!{_GRANTED} {is_letter('k', 'x')}"
    return [
        f"http-request set-var(txn.ends) var(txn.hash),map_str({KEYS}) if {refused}",
        make_return(
            403,
            "forbidden",
            FORBIDDEN,
            f"if {refused} !{{ var(txn.gone) -m found }} {{ var(txn.ends) -m found }} {{ date,sub(txn.ends) lt 0 }}",
        ),
        *count_wrong_keys(wrong_keys, f"{refused} {{ var(txn.hash) -m found }}"),
        _challenge(EXPIRED, f"{refused} {{ var(txn.gone) -m found }}"),
        *(
            _challenge(describe_wrong(header), f"{condition} {{ var(txn.hash) -m found }}")
            for header, condition in _WAYS
        ),
        *(_challenge(describe_missing(header), condition) for header, condition in _WAYS),
    ]


def _challenge(detail: str, condition: str) -> str:
    return make_return(401, "unauthenticated", detail, f"if {condition}", {"WWW-Authenticate": 'Bearer realm="serai"'})
