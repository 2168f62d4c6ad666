"""The plugin `apikey`: its key store, the grants made of it, and what it hears of gateways and deployments."""

from __future__ import annotations

from collections.abc import Sequence

from serai.domain.deployment import Deployment
from serai.domain.errors import PluginError
from serai.domain.routes import Grant
from serai.plugin import DeploymentChange, KeyStore, PluginContext, PluginDatabase, Sink, hookimpl

from .key_ring import KeyRing
from .last_use import LastUse
from .store import ApiKeyStore
from .tables import migrate


class ApiKeyPlugin:
    """One object for each server: grants are read from the store that it registered."""

    def __init__(self) -> None:
        self._store: ApiKeyStore | None = None

    @hookimpl
    def serai_register_key_store(self, context: PluginContext) -> KeyStore:
        database = _database_of(context)
        migrate(database)
        self._store = ApiKeyStore(database, KeyRing(database))
        return self._store

    @hookimpl
    def serai_register_sink(self, context: PluginContext) -> Sink:
        """Return what hears from the gateways which keys were used."""
        return LastUse(_database_of(context))

    @hookimpl
    def serai_grants(self, deployment: Deployment) -> Sequence[Grant]:
        return self._store.ring.grants(deployment) if self._store else ()

    @hookimpl
    def serai_deployment_changed(self, change: DeploymentChange) -> None:
        if self._store and change.event.kind == "deployment.deleted":
            self._store.forget_deployment(change.event.deployment, change.event.at)


def _database_of(context: PluginContext) -> PluginDatabase:
    if context.database is None:
        raise PluginError("the plugin 'apikey' keeps its keys in the server's database, and there is none here")
    return context.database
