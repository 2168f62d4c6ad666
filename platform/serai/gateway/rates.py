"""Count requests by sliding windows: whether one more may pass, and if not, when. No clock of its own.

A window is two counts: of the running one, and of the one before, of which the share still counts that lies within
`per_s` of now. HAProxy's stick tables count the same way, so both engines let the same requests pass. What comes evenly
is let through exactly; after a burst at the very end of one window, the next one lets some pass early.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict

from serai.domain.traffic import Limits, Rate

from .problems import Problem

# Of one client address, whatever it calls, unless the gateway is told another.
WRONG_KEYS = Rate(20, 10)
# What is known of so many keys and clients at once; who was quiet for longest is forgotten first.
_MOST = 100_000
Name = tuple[str, ...]


class Window:
    """The counts of one name; `began` is when the running window did."""

    __slots__ = ("before", "began", "now")

    def __init__(self, began: float) -> None:
        self.began = began
        self.now = self.before = 0

    def roll(self, per_s: float, now: float) -> None:
        """Begin another window where the running one is over."""
        passed = int((now - self.began) / per_s)
        if passed > 0:
            self.before = self.now if passed == 1 else 0
            self.now = 0
            self.began += passed * per_s

    def wait_s(self, rate: Rate, now: float) -> float:
        """Return the seconds until one more may pass, 0 for at once. `roll` goes first."""
        left_s = self.began + rate.per_s - now
        if self.now >= rate.count:
            return left_s
        return max(0.0, left_s - (rate.count - self.now) * rate.per_s / self.before) if self.before else 0.0


class Rates:
    """Windows by name, in bounded memory. One loop."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._windows: OrderedDict[Name, Window] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    def wait_s(self, name: Name, rate: Rate, now: float) -> float:
        """Return the seconds until one more of `name` may pass, 0 for at once. Nothing is counted."""
        window = self._windows.get(name)
        if window is None:
            return 0.0
        window.roll(rate.per_s, now)
        return window.wait_s(rate, now)

    def count(self, name: Name, rate: Rate, now: float) -> None:
        """Count one that passed."""
        window = self._windows.get(name)
        if window is None:
            window = self._windows[name] = Window(now)
            if len(self._windows) > self._most:
                self._windows.popitem(last=False)
        self._windows.move_to_end(name)
        window.roll(rate.per_s, now)
        window.now += 1

    def admit(self, deployment: str, limits: Limits, key_id: str, client: str, now: float) -> None:
        """Count a request that keeps the limits; raise Problem 429 for one that does not, which is not counted."""
        named = []
        if limits.per_key is not None and key_id:
            named.append((("key", key_id, deployment), limits.per_key, "per_key"))
        if limits.per_client is not None:
            named.append((("client", client, deployment), limits.per_client, "per_client"))
        for name, rate, limit in named:
            if wait_s := self.wait_s(name, rate, now):
                raise make_rate_limited(rate, limit, wait_s)
        for name, rate, _ in named:
            self.count(name, rate, now)

    def punish(self, client: str, rate: Rate, now: float) -> None:
        """Count a wrong key; raise Problem 429 where the client has sent more than `rate`."""
        name = ("wrong", client)
        if wait_s := self.wait_s(name, rate, now):
            raise _refuse(describe_wrong(rate), wait_s)
        self.count(name, rate, now)


def group_client(address: str) -> str:
    """Return what clients are told apart by: an IPv4 address, or the /64 of an IPv6 one, which one caller has whole."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False).network_address)


def make_rate_limited(rate: Rate, limit: str, wait_s: float) -> Problem:
    whose = "key" if limit == "per_key" else "client address"
    detail = f"this {whose} has sent {rate.count} requests within {rate.per_s} s, and no more may pass (limits.{limit})"
    return _refuse(f"{detail}; send it again later", wait_s)


def describe_wrong(rate: Rate) -> str:
    return (
        f"{rate.count} wrong keys came from this client address within {rate.per_s} s; "
        "valid keys are taken, others are answered so until fewer come (gateway_wrong_keys)"
    )


def _refuse(detail: str, wait_s: float) -> Problem:
    return Problem(429, "rate-limited", detail, {"Retry-After": str(max(1, math.ceil(wait_s)))})
