"""Which engine carries requests: as configured, or the best there is."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum

from serai.domain.errors import Invalid

from .asyncio_engine import AsyncioEngine
from .config import GatewayConfig
from .engine import Engine, Health, TlsPlace
from .haproxy.haproxy_engine import HaproxyEngine
from .haproxy.program import Finding, Program, find_program
from .journal import Journal
from .sampling import Tracing
from .waker import Wake

log = logging.getLogger(__name__)


class EngineName(StrEnum):
    """`auto` is HAProxy where there is one that will do, else asyncio."""

    AUTO = "auto"
    HAPROXY = "haproxy"
    ASYNCIO = "asyncio"


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine, HAProxy's program if that is it, and one sentence why."""

    name: EngineName
    program: Program | None
    why: str


def choose_engine(wanted: str, finding: Finding) -> Choice:
    """Return the engine to use; Invalid where HAProxy is demanded and there is none."""
    if wanted == EngineName.ASYNCIO:
        return Choice(EngineName.ASYNCIO, None, "the engine within the gateway, as configured")
    if finding.program is not None:
        return Choice(EngineName.HAPROXY, finding.program, str(finding.program))
    if wanted == EngineName.HAPROXY:
        raise Invalid(
            f"gateway_engine is haproxy, but {finding.why_not}; install one, or set gateway_engine to auto",
            "gateway_engine",
        )
    return Choice(EngineName.ASYNCIO, None, f"the engine within the gateway, as {finding.why_not}")


def find_engine(wanted: str) -> Choice:
    """Return the engine to use on this machine; Invalid where HAProxy is demanded and there is none."""
    finding = Finding(None, "") if wanted == EngineName.ASYNCIO else find_program()
    return choose_engine(wanted, finding)


def make_engine(
    choice: Choice,
    config: GatewayConfig,
    journal: Journal,
    health: Health,
    tls: TlsPlace | None = None,
    wake: Wake | None = None,
    tracing: Tracing | None = None,
) -> Engine:
    """Return the chosen engine for the address and folder of `config`."""
    place = (config.host, config.port, config.domain)
    if choice.program is None:
        return AsyncioEngine(*place, journal.append, health, config.hold_limit, tls, wake, config.wrong_keys, tracing)
    folder = config.data / "haproxy"
    place_of_work = (folder, choice.program, config.hold_limit)
    return HaproxyEngine(
        *place,
        journal.append,
        health,
        *place_of_work,
        keep_all=journal.append_all,
        tls=tls,
        wake=wake,
        wrong_keys=config.wrong_keys,
        tracing=tracing,
    )
