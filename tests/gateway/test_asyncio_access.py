"""The asyncio engine keeps the contract of keys and rates."""

from __future__ import annotations

from tests.gateway.contract_access import (
    KeyHeaderContract,
    RateContract,
    RateInTimeContract,
    TrustContract,
    WrongKeyContract,
)
from tests.gateway.test_asyncio_engine import AsyncioFixture


class TestKeyHeader(AsyncioFixture, KeyHeaderContract):
    pass


class TestRates(AsyncioFixture, RateContract):
    pass


class TestRatesInTime(AsyncioFixture, RateInTimeContract):
    pass


class TestWrongKeys(AsyncioFixture, WrongKeyContract):
    pass


class TestTrust(AsyncioFixture, TrustContract):
    pass
