"""Limits of rates in HAProxy: stick tables, one for each length of window, and the rules that count in them. Pure.

Deployments without limits pay for one look at their row.
"""

from __future__ import annotations

from serai.domain.traffic import Rate
from serai.gateway.rates import describe_wrong

from .problem_text import make_return
from .rows import ROW, WINDOWS_S

_WRONG = "wrong_keys"
# An IPv6 caller has a /64 whole; addresses of IPv4 that are written as IPv6 are masked as IPv4 by HAProxy.
CLIENT = "src,ipmask(32,64)"
# Tables that are full forget who was quiet for longest. A name is that of a deployment, and a key's number or address.
_SIZE, _NAME_BYTES = "100k", 160


def make_tables(wrong_keys: Rate | None) -> list[tuple[str, list[str]]]:
    """Return the sections that hold the counts."""
    windows = [(_table(per_s), f"string len {_NAME_BYTES}", per_s) for per_s in WINDOWS_S]
    return [
        (
            f"backend {name} from base",
            [f"stick-table type {kind} size {_SIZE} expire {2 * per_s + 1}s store gpc0,gpc0_rate({per_s}s)"],
        )
        for name, kind, per_s in (*windows, *([(_WRONG, "ipv6", wrong_keys.per_s)] if wrong_keys else []))
    ]


def count_wrong_keys(rate: Rate | None, is_wrong: str) -> list[str]:
    """Refuse a client that has sent many wrong keys one more try. `is_wrong` is the condition that this is one."""
    if rate is None:
        return []
    wait = {"Retry-After": str(rate.per_s)}
    return [
        f"http-request track-sc2 {CLIENT} table {_WRONG} if {is_wrong}",
        make_return(
            429, "rate-limited", describe_wrong(rate), f"if {is_wrong} {{ sc2_gpc0_rate ge {rate.count} }}", wait
        ),
        f"http-request sc-inc-gpc0(2) if {is_wrong}",
    ]


def keep_rates() -> list[str]:
    """Refuse what passes a limit, and count the rest. Nothing but limits may come after: without them it ends here."""
    return [
        f"http-request allow unless {{ {ROW.format(3)} -m found }}",
        *_track(0, "var(txn.kid),concat(/,txn.dep,/k)", 3, " { var(txn.kid) -m found }"),
        *_track(1, f"{CLIENT},concat(/,txn.dep,/c)", 5, ""),
        _refuse(0, 3, "key", "per_key"),
        _refuse(1, 5, "client address", "per_client"),
        "http-request sc-inc-gpc0(0) if { sc0_tracked }",
        "http-request sc-inc-gpc0(1) if { sc1_tracked }",
    ]


def _track(counter: int, name: str, field: int, condition: str) -> list[str]:
    """Choose the table by the window, and set `max` of this counter."""
    return [
        f"http-request set-var(txn.max{counter}) {ROW.format(field + 1)}",
        *(
            f"http-request track-sc{counter} {name} table {_table(per_s)}"
            f" if {{ {ROW.format(field)} -m str {per_s} }}{condition}"
            for per_s in WINDOWS_S
        ),
    ]


def _refuse(counter: int, field: int, whose: str, limit: str) -> str:
    window = f"%[{ROW.format(field)}]"
    detail = (
        f"this {whose} has sent %[var(txn.max{counter})] requests within {window} s, and no more may pass"
        f" (limits.{limit}); send it again later"
    )
    condition = f"if {{ sc{counter}_tracked }} {{ sc{counter}_gpc0_rate,sub(txn.max{counter}) ge 0 }}"
    return make_return(429, "rate-limited", detail, condition, {"Retry-After": window}, is_format=True)


def _table(per_s: int) -> str:
    return f"rates_{per_s}s"
