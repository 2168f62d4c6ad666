"""The asyncio engine keeps the contract of engines."""

from __future__ import annotations

from serai.gateway.asyncio_engine import AsyncioEngine
from serai.gateway.engine import Engine, Health, Keep
from tests.gateway.contract_faults import FaultContract
from tests.gateway.contract_replicas import BalanceContract, ClosingContract, HandoverContract, HoldContract
from tests.gateway.contract_requests import RequestContract
from tests.gateway.contract_streams import StreamContract, TimeoutContract, WebSocketContract
from tests.gateway.contract_tls import TlsContract
from tests.gateway.contract_tracing import CallersContract, EveryContract, NoneContract, SomeContract
from tests.gateway.contract_traffic import CorsContract, IdleContract, PatienceContract, QueueContract
from tests.gateway.engine_contract import DOMAIN, EngineFixture


class AsyncioFixture(EngineFixture):
    def make_engine(self, keep: Keep, health: Health) -> Engine:
        place = ("127.0.0.1", 0, DOMAIN, keep, health)
        return AsyncioEngine(*place, hold_limit=self.hold_limit, wake=self.wake, tracing=self.tracing())


class TestRequests(AsyncioFixture, RequestContract):
    pass


class TestStreams(AsyncioFixture, StreamContract):
    pass


class TestTimeouts(AsyncioFixture, TimeoutContract):
    pass


class TestWebSockets(AsyncioFixture, WebSocketContract):
    pass


class TestBalance(AsyncioFixture, BalanceContract):
    pass


class TestHold(AsyncioFixture, HoldContract):
    pass


class TestHandover(AsyncioFixture, HandoverContract):
    pass


class TestClosing(AsyncioFixture, ClosingContract):
    pass


class TestFaults(AsyncioFixture, FaultContract):
    pass


class TestTls(TlsContract):
    protocols = ("http/1.1",)

    def make_engine(self, keep: Keep, health: Health) -> Engine:
        return AsyncioEngine(
            "127.0.0.1", 0, DOMAIN, keep, health, hold_limit=self.hold_limit, wake=self.wake, tls=self.tls()
        )


class TestQueue(AsyncioFixture, QueueContract):
    pass


class TestPatience(AsyncioFixture, PatienceContract):
    pass


class TestCors(AsyncioFixture, CorsContract):
    pass


class TestIdle(AsyncioFixture, IdleContract):
    pass


class TestSampledByCallers(AsyncioFixture, CallersContract):
    pass


class TestSampledAlways(AsyncioFixture, EveryContract):
    pass


class TestSampledAtTimes(AsyncioFixture, SomeContract):
    pass


class TestSampledNever(AsyncioFixture, NoneContract):
    pass
