"""Gateways are remembered once each, until they are forgotten."""

from __future__ import annotations

from serai.store.database import Database
from serai.store.gateways import add_gateway, forget_gateways, list_gateways


def test_gateways_are_remembered_once_and_forgotten(db: Database) -> None:
    assert list_gateways(db) == []
    for gateway in ("b", "a", "b"):
        add_gateway(db, gateway)
    assert sorted(list_gateways(db)) == ["a", "b"]
    forget_gateways(db, [])
    forget_gateways(db, {"a", "nobody"})
    assert list_gateways(db) == ["b"]
