"""The HAProxy engine keeps the contract of keys and rates."""

from __future__ import annotations

from tests.gateway.contract_access import (
    KeyHeaderContract,
    RateContract,
    RateInTimeContract,
    TrustContract,
    WrongKeyContract,
)
from tests.gateway.test_haproxy_engine import HaproxyFixture, pytestmark

__all__ = ["pytestmark"]  # skipped where there is no HAProxy


class TestKeyHeader(HaproxyFixture, KeyHeaderContract):
    pass


class TestRates(HaproxyFixture, RateContract):
    pass


class TestRatesInTime(HaproxyFixture, RateInTimeContract):
    pass


class TestWrongKeys(HaproxyFixture, WrongKeyContract):
    pass


class TestTrust(HaproxyFixture, TrustContract):
    pass
