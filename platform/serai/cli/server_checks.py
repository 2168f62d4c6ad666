"""Checks of the way to the server for `serai doctor`: reachable, token, clock, scheduler, plugins, gateway."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from serai.client.client import Client
from serai.client.probe import probe
from serai.client.profile import Profile
from serai.domain.errors import SeraiError

from .checks import Check
from .plugin_checks import check_plugins

SKEW_S = 5.0


def check_server(profile: Profile) -> Iterator[Check]:
    """Yield the checks of a server; the first that fails makes those behind it senseless."""
    try:
        answer = probe(f"{profile.url}/healthz")
    except SeraiError as error:
        finding = f"no server answers at {profile.url} ({error})"
        yield Check("server", "fail", finding, "start one with `serai up`, or name another with SERAI_URL")
        return
    yield Check("server", "ok", f"{profile.url} (known from {profile.source}), version {answer.values.get('version')}")
    yield check_clock(answer.date, time.time())
    yield _check_scheduler(str(answer.values.get("scheduler", "")))
    yield _check_token(profile)
    yield from _check_plugins(profile)
    if profile.gateway:
        yield _check_gateway(profile.gateway)


def check_clock(date: str, now_s: float) -> Check:
    """Return whether the server's header `Date` and this machine's time `now_s` (epoch) agree."""
    try:
        skew_s = parsedate_to_datetime(date).timestamp() - now_s
    except (ValueError, TypeError):
        return Check("clock", "warn", "the server does not tell the time")
    if abs(skew_s) > SKEW_S:
        finding = f"the server is {abs(skew_s):.0f} s {'ahead' if skew_s > 0 else 'behind'}"
        return Check("clock", "warn", finding, "set both clocks by NTP; ages and time ranges are off")
    return Check("clock", "ok", "agrees with the server's")


def _check_scheduler(state: str) -> Check:
    if state == "fresh":
        return Check("scheduler", "ok", "answers")
    return Check("scheduler", "warn", f"its last answer is {state or 'unknown'}", "see the server's log")


def _check_token(profile: Profile) -> Check:
    if not profile.token:
        return Check("token", "fail", "there is none", "`serai login`, or set SERAI_TOKEN")
    try:
        with Client(profile.url, profile.token) as client:
            who = client.whoami()
    except SeraiError as error:
        return Check("token", "fail", error.message, "`serai login` with a new token")
    return Check("token", "ok", f"{who['login']} ({', '.join(who['permissions'])})")


def _check_plugins(profile: Profile) -> Iterator[Check]:
    """Yield nothing where the token does not let one ask: that was said before."""
    try:
        with Client(profile.url, profile.token) as client:
            plugins = client.list_plugins()
    except SeraiError:
        return
    yield from check_plugins(plugins)


def _check_gateway(url: str) -> Check:
    try:
        answer = probe(f"{url}/-/healthz")
    except SeraiError as error:
        return Check(
            "gateway", "fail", f"{url} does not answer ({error})", "start it with `serai up` or `serai gateway`"
        )
    if answer.status != 200:
        return Check("gateway", "fail", f"{url} answers {answer.status}", "see its log")
    return Check("gateway", "ok", url)
