"""What users may do: deploy, change, start, stop, delete. Writes intent; the reconciler does the rest.

The edges ask whether a caller may do it before they read what it sent; meanwhile the deployment may become somebody
else's. So each verb asks once more inside of its transaction, where nothing changes any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from serai.domain.deployment import Access, Deployment, Settings, Version
from serai.domain.errors import Conflict, Invalid, NotFound, NotSupported
from serai.domain.manifest import ASK, SETTING_KEYS, Manifest, parse_settings
from serai.domain.names import workload_id
from serai.domain.observation import Fit, Workload
from serai.domain.spec import Spec
from serai.domain.spec_text import digest_spec
from serai.plugin.facade import Plugins
from serai.plugin.identity import Identity, Permission
from serai.plugin.scheduler import Scheduler
from serai.store import deployments, idling, versions
from serai.store.blobs import BlobStore
from serai.store.database import Database
from serai.store.secrets import fingerprint_secrets
from serai.store.teams import check_owner

from .cluster import Cluster
from .views import DeploymentView

# A caller, who needs the right to write; or a login that was let in to do just this, and Serai itself.
Actor = Identity | str


@dataclass(frozen=True, slots=True)
class Deployed:
    """What `deploy` came to: the view after it, and what it made."""

    view: DeploymentView
    created_deployment: bool
    created_version: bool


class Lifecycle:
    """The verbs of users. Each is one transaction, safe under concurrent calls, and wakes the reconciler.

    Each raises Forbidden for a caller who may not write to the deployment.
    """

    def __init__(
        self,
        db: Database,
        blobs: BlobStore,
        plugins: Plugins,
        scheduler: Scheduler,
        cluster: Cluster,
        nudge: Callable[[str], None],
        forget_metrics: Callable[[str, int | None], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._db = db
        self._blobs = blobs
        self._plugins = plugins
        self._scheduler = scheduler
        self._cluster = cluster
        self._nudge = nudge
        self._forget_metrics = forget_metrics
        self._clock = clock

    def deploy(self, manifest: Manifest, actor: Actor) -> Deployed:
        """Make the manifest's version the active one; a new version only if the spec differs.

        Raise NotFound for a bundle that was not uploaded, Invalid for a spec that names nothing to run.
        """
        spec = self._complete(manifest)
        if spec.bundle:
            self._blobs.path(spec.bundle)
        now = self._clock()
        with self._db.write():
            login = self._admit(actor, manifest.name)
            existing = self._find(manifest.name)
            settings = self._check_access(_merge(existing.settings if existing else Settings(), manifest))
            if existing is None:
                deployment = deployments.create_deployment(self._db, manifest.name, login, settings, now, login)
            else:
                deployment = deployments.change_settings(self._db, manifest.name, settings, now, login)
            version = self._same_version(deployment, spec)
            is_new = version is None
            if version is None:
                version = versions.add_version(self._db, manifest.name, spec, manifest.secrets, now, login)
                self._plugins.admit(deployment, version)
            versions.activate(self._db, manifest.name, version.number, now, login)
        return Deployed(self._after(manifest.name), existing is None, is_new)

    def check_fit(self, manifest: Manifest) -> Fit:
        """Return whether the manifest would fit now, in the place of what it would take over from.

        The bundle need not be here: nobody should have to upload gigabytes to learn that there is no room.
        """
        spec = self._complete(manifest)
        existing = self._find(manifest.name)
        settings = _merge(existing.settings if existing else Settings(), manifest)
        number = max((v.number for v in self._versions(manifest.name)), default=0) + 1
        workload = Workload(
            workload_id(manifest.name, number), manifest.name, number, spec, digest_spec(spec), settings.count
        )
        replaced = existing.active if existing else None
        return self._scheduler.fit(workload, (workload_id(manifest.name, replaced),) if replaced else ())

    def change(self, name: str, values: Mapping[str, object], actor: Actor) -> DeploymentView:
        """Change settings: count, access, time-outs, limits, ... In effect in every state."""
        with self._db.write():
            login = self._admit(actor, name)
            deployment = deployments.get_deployment(self._db, name)
            settings = self._check_access(parse_settings(values, deployment.settings))
            deployments.change_settings(self._db, name, settings, self._clock(), login)
        return self._after(name)

    def give(self, name: str, owner: str, actor: Actor) -> DeploymentView:
        """Give a deployment to another owner: an account's login, or `team:<name>`. Raise Invalid for none of these."""
        with self._db.write():
            login = self._admit(actor, name)
            deployments.get_deployment(self._db, name)
            check_owner(self._db, owner)
            deployments.change_owner(self._db, name, owner, self._clock(), login)
        return self._after(name)

    def start(self, name: str, number: int, actor: Actor) -> DeploymentView:
        """Make a version the active one; nothing happens if it is, but that it wakes if it is idle."""
        with self._db.write():
            login = self._admit(actor, name)
            versions.activate(self._db, name, number, self._clock(), login)
            idling.wake_deployment(self._db, name, self._clock(), login)
        return self._after(name)

    def stop(self, name: str, number: int | None, actor: Actor) -> DeploymentView:
        """Stop a version, or with None whatever the deployment runs."""
        with self._db.write():
            login = self._admit(actor, name)
            deployment = deployments.get_deployment(self._db, name)
            target = number if number is not None else deployment.active or deployment.incumbent
            if target is not None:
                versions.deactivate(self._db, name, target, self._clock(), login)
        return self._after(name)

    def idle(self, name: str, actor: Actor) -> DeploymentView:
        """Let a deployment rest until a request comes; raise Conflict where none could wake it."""
        with self._db.write():
            idling.idle_deployment(self._db, name, self._clock(), self._admit(actor, name))
        return self._after(name)

    def wake(self, name: str, actor: Actor, text: str = "") -> DeploymentView:
        """Have an idle deployment run its replicas again; nothing happens if it is not idle."""
        with self._db.write():
            idling.wake_deployment(self._db, name, self._clock(), self._admit(actor, name), text)
        return self._after(name)

    def delete_version(self, name: str, number: int, actor: Actor) -> None:
        """Delete an inactive version for good, with its logs, figures and, if no other uses it, its bundle."""
        view = self._cluster.view(name).version(number)
        if view is None:
            raise NotFound(f"{name} has no version {number}", "version-not-found")
        self._check_inactive(name, number)
        with self._db.write():
            versions.delete_version(self._db, name, number, self._clock(), self._admit(actor, name))
        self._clean_up(name, [view.version])
        self._after_deletion(name)

    def delete(self, name: str, actor: Actor) -> None:
        """Delete a deployment without an active version, with everything of it."""
        view = self._cluster.view(name)
        for version in view.versions:
            self._check_inactive(name, version.version.number)
        with self._db.write():
            deployments.delete_deployment(self._db, name, self._clock(), self._admit(actor, name))
        self._clean_up(name, [version.version for version in view.versions])
        self._forget_metrics(name, None)
        self._after_deletion(name)

    # parts

    def _admit(self, actor: Actor, name: str) -> str:
        """Return the login of who writes to a deployment. Raise Forbidden for a caller who may not, or no more."""
        if isinstance(actor, str):
            return actor
        self._plugins.authorize(actor, Permission.WRITE, name)
        return actor.login

    def _complete(self, manifest: Manifest) -> Spec:
        """Return the spec with fingerprints of its secrets; refuse what cannot be run."""
        spec = manifest.spec
        if not spec.bundle and not spec.image:
            raise Invalid("there is nothing to run: give a bundle or an image", "bundle")
        for name, value in manifest.secrets.items():
            if value == ASK:
                raise Invalid(f"secrets.{name} has to be given: `serai deploy` asks for it", f"secrets.{name}")
        return replace(spec, secrets=fingerprint_secrets(self._db, manifest.secrets))

    def _check_access(self, settings: Settings) -> Settings:
        if settings.access is Access.KEYS and not self._plugins.grants_keys():
            raise NotSupported(
                "access: keys needs a plugin that grants keys, and none is enabled; nobody could call the deployment"
            )
        return settings

    def _find(self, name: str) -> Deployment | None:
        try:
            return deployments.get_deployment(self._db, name)
        except NotFound:
            return None

    def _versions(self, name: str) -> list[Version]:
        return versions.list_versions(self._db, name) if self._find(name) else []

    def _same_version(self, deployment: Deployment, spec: Spec) -> Version | None:
        """Return the active version, else the newest, if it has this very spec."""
        known = versions.list_versions(self._db, deployment.name)
        number = deployment.active or max((version.number for version in known), default=None)
        current = next((version for version in known if version.number == number), None)
        return current if current and current.spec_digest == digest_spec(spec) else None

    def _check_inactive(self, name: str, number: int) -> None:
        self._cluster.refresh(name)
        view = self._cluster.view(name).version(number)
        if view is not None and view.status.state.is_active:
            state = view.status.state.value.replace("_", " ")
            raise Conflict(
                f"{name} version {number} is {state}: stop it first (serai stop {name}:{number})", "version-active"
            )

    def _clean_up(self, name: str, gone: list[Version]) -> None:
        """Remove what belonged to deleted versions. What fails here is found again by the periodic clean-up."""
        for version in gone:
            self._scheduler.purge(version.workload)
            self._forget_metrics(name, version.number)
        used = {version.spec.bundle for version in versions.all_versions(self._db)}
        for bundle in {version.spec.bundle for version in gone} - used - {""}:
            self._blobs.delete(bundle)

    def _after(self, name: str) -> DeploymentView:
        self._cluster.refresh(name)
        self._nudge(name)
        return self._cluster.view(name)

    def _after_deletion(self, name: str) -> None:
        self._cluster.refresh(name)
        self._nudge(name)


def _merge(settings: Settings, manifest: Manifest) -> Settings:
    """Return the settings with those that the manifest gives; what it leaves out stays as it is."""
    given = {
        field: getattr(manifest.settings, field)
        for key, field in ((key, "count" if key == "replicas" else key) for key in SETTING_KEYS)
        if key in manifest.given
    }
    return replace(settings, **given)
