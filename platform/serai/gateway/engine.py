"""The seam between the agent, which knows the routes, and what carries the bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from serai.domain.routes import RouteTable
from serai.domain.spec_text import JsonObject

from .certificate import Certificate
from .pile import Pile
from .record import RequestRecord

Keep = Callable[[RequestRecord], None]
Announce = Callable[[Path, int], None]  # to which journal, of which size until then, something is written now
KeepAll = Callable[[Pile, Announce | None], None]
Health = Callable[[], JsonObject]


@dataclass(frozen=True, slots=True)
class TlsPlace:
    """Where callers come in by TLS, beside the plain address; `port` 0 takes a free one."""

    host: str
    port: int
    certificate: Certificate


class Engine(ABC):
    """Carries requests by the table it was given last.

    It is made with `keep`, which takes one RequestRecord for every request of a known deployment, before the last
    byte of its answer goes out where the engine can; and with `health`, the document that it answers at `/-/healthz`.

        engine = AsyncioEngine("127.0.0.1", 0, "example.org", journal.append, health)
        await engine.start()
        await engine.apply(table)
        print(engine.address)
        await engine.close(drain_s=30)
    """

    name: str

    @property
    @abstractmethod
    def address(self) -> tuple[str, int]:
        """The host and port that take requests; known once started."""

    @property
    @abstractmethod
    def tls_address(self) -> tuple[str, int] | None:
        """The host and port that take requests by TLS; None where the engine was made without a TlsPlace."""

    @property
    @abstractmethod
    def in_flight(self) -> int:
        """Requests taken and not yet answered, held ones included."""

    @abstractmethod
    def leaving(self) -> frozenset[str]:
        """Return the replicas that still carry requests although the table does not name them any more."""

    @abstractmethod
    async def start(self) -> None:
        """Listen. Until the first `apply` every deployment is unknown. OSError if the address is taken."""

    @abstractmethod
    async def apply(self, table: RouteTable) -> None:
        """Carry new requests by `table`, and release held ones that it brings a replica for.

        Requests in flight go on where they are, whatever the table says. Returns when the table is in effect.
        """

    @abstractmethod
    async def trust_keys(self, is_trusting: bool) -> None:
        """Go by the table's keys, as at the start, or answer requests that need one 503."""

    @abstractmethod
    async def present(self, certificate: Certificate) -> None:
        """Show this certificate to the callers that come from now on. Connections that are there stay."""

    @abstractmethod
    async def close(self, drain_s: float) -> None:
        """Take no new connections, wait up to `drain_s` for requests in flight, then cut what is left."""

    async def leave(self, drain_s: float) -> None:
        """Close, but leave behind what can serve on by itself: another engine in the same folder takes it over."""
        await self.close(drain_s)
