"""The plugin `nomad`: its scheduler, what that cannot run, and the identity of replicas that fetch their bundles."""

from __future__ import annotations

from datetime import UTC, datetime

from serai.domain.deployment import Deployment, Version
from serai.plugin import Credentials, Identity, PluginContext, Scheduler, hookimpl
from serai_nomad.agent.api import NomadApi
from serai_nomad.job.admission import check_version

from .identity import WorkloadIdentities
from .parts import make_parts
from .scheduler import NomadScheduler
from .settings import NomadSettings, load_settings


class NomadPlugin:
    """One object for each server: it knows the cluster whose tokens it verifies once its scheduler is made."""

    def __init__(self) -> None:
        self._identities: WorkloadIdentities | None = None
        self._scheduler: NomadScheduler | None = None
        self._settings = NomadSettings()

    @hookimpl
    def serai_register_scheduler(self, context: PluginContext) -> Scheduler:
        self._settings = settings = load_settings(context.settings)
        api = NomadApi(settings)
        self._identities = WorkloadIdentities(api.jwks, settings.namespace, lambda: datetime.now(UTC))
        self._scheduler = NomadScheduler(make_parts(api, settings, context))
        return self._scheduler

    @hookimpl
    def serai_admit(self, deployment: Deployment, version: Version) -> None:
        if self._scheduler is not None and self._scheduler.is_used:
            check_version(version, self._settings)

    @hookimpl
    def serai_authenticate(self, credentials: Credentials) -> Identity | None:
        return self._identities.identify(credentials.token) if self._identities else None
