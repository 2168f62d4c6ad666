"""The plugin `nomad`: its scheduler, and the identity of the replicas that fetch their bundles."""

from __future__ import annotations

from datetime import UTC, datetime

from serai.plugin import Credentials, Identity, PluginContext, Scheduler, hookimpl

from .api import NomadApi
from .identity import WorkloadIdentities
from .parts import make_parts
from .scheduler import NomadScheduler
from .settings import load_settings


class NomadPlugin:
    """One object for each server: it knows the cluster whose tokens it verifies once its scheduler is made."""

    def __init__(self) -> None:
        self._identities: WorkloadIdentities | None = None

    @hookimpl
    def serai_register_scheduler(self, context: PluginContext) -> Scheduler:
        settings = load_settings(context.settings)
        api = NomadApi(settings)
        self._identities = WorkloadIdentities(api.jwks, settings.namespace, lambda: datetime.now(UTC))
        return NomadScheduler(make_parts(api, settings, context))

    @hookimpl
    def serai_authenticate(self, credentials: Credentials) -> Identity | None:
        return self._identities.identify(credentials.token) if self._identities else None
