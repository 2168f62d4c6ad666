"""The HAProxy engine keeps the contract of engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from serai.gateway.engine import Engine, Health, Keep, TlsPlace
from serai.gateway.haproxy.haproxy_engine import HaproxyEngine
from serai.gateway.haproxy.program import find_program
from tests.gateway.contract_faults import FaultContract
from tests.gateway.contract_replicas import BalanceContract, ClosingContract, HandoverContract, HoldContract
from tests.gateway.contract_requests import RequestContract
from tests.gateway.contract_streams import StreamContract, TimeoutContract, WebSocketContract
from tests.gateway.contract_tls import TlsContract
from tests.gateway.contract_tracing import CallersContract, EveryContract, NoneContract, SomeContract
from tests.gateway.contract_traffic import CorsContract, IdleContract, PatienceContract, QueueContract
from tests.gateway.engine_contract import DOMAIN, EngineFixture

FOUND = find_program()

pytestmark = pytest.mark.skipif(FOUND.program is None, reason=FOUND.why_not)


class HaproxyFixture(EngineFixture):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.data = tmp_path

    def make_engine(self, keep: Keep, health: Health) -> Engine:
        assert FOUND.program is not None
        folder = self.data / "haproxy"
        place = ("127.0.0.1", 0, DOMAIN, keep, health, folder, FOUND.program)
        return HaproxyEngine(*place, hold_limit=self.hold_limit, tls=self.tls(), wake=self.wake, tracing=self.tracing())

    def tls(self) -> TlsPlace | None:
        return None


class TestRequests(HaproxyFixture, RequestContract):
    pass


class TestStreams(HaproxyFixture, StreamContract):
    pass


class TestTimeouts(HaproxyFixture, TimeoutContract):
    pass


class TestWebSockets(HaproxyFixture, WebSocketContract):
    pass


class TestBalance(HaproxyFixture, BalanceContract):
    pass


class TestHold(HaproxyFixture, HoldContract):
    pass


class TestHandover(HaproxyFixture, HandoverContract):
    pass


class TestClosing(HaproxyFixture, ClosingContract):
    pass


class TestFaults(HaproxyFixture, FaultContract):
    pass


class TestTls(TlsContract, HaproxyFixture):
    protocols = ("h2", "http/1.1")


class TestQueue(HaproxyFixture, QueueContract):
    pass


class TestPatience(HaproxyFixture, PatienceContract):
    pass


class TestCors(HaproxyFixture, CorsContract):
    pass


class TestIdle(HaproxyFixture, IdleContract):
    pass


class TestSampledByCallers(HaproxyFixture, CallersContract):
    pass


class TestSampledAlways(HaproxyFixture, EveryContract):
    pass


class TestSampledAtTimes(HaproxyFixture, SomeContract):
    pass


class TestSampledNever(HaproxyFixture, NoneContract):
    pass
