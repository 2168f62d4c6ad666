"""The hooks as typed methods: the rest of Serai calls these and never sees pluggy.

Registration and decision calls raise PluginError naming the plugin; news never raises.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from serai.domain.deployment import Deployment, Version
from serai.domain.errors import Forbidden, PluginError, SeraiError, Unauthenticated
from serai.domain.routes import Grant, RouteTable

from .changes import DeploymentChange
from .context import PluginContext
from .exposition import Exposition
from .faults import Faults
from .identity import Credentials, Identity, Permission
from .implementations import HOOKS, Implementation
from .key_store import KeyStore
from .log_store import LogStore
from .scheduler import Scheduler
from .sign_in import SignIn
from .sink import Sink

if TYPE_CHECKING:
    import click
    import flask

log = logging.getLogger(__name__)
ContextFor = Callable[[str], PluginContext]
T = TypeVar("T", Scheduler, Sink, LogStore, KeyStore, Exposition, SignIn)


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """A loaded plugin for people. `healthy` is False while one of its hooks fails; `faults` counts since the start."""

    name: str
    version: str
    hooks: tuple[str, ...]
    healthy: bool
    last_error: str
    faults: int


class Plugins:
    """The loaded plugins, in order of precedence. `serai.plugin.registry.load_plugins` makes it.

    Methods may be called from several threads. `versions` maps each plugin's name to its version.
    """

    def __init__(self, versions: Mapping[str, str], implementations: Mapping[str, tuple[Implementation, ...]]) -> None:
        self._versions = dict(versions)
        self._implementations = implementations
        self._faults = Faults()
        self._made: list[Scheduler | Sink | LogStore | KeyStore | Exposition | SignIn] = []

    # registration

    def make_schedulers(self, context_for: ContextFor) -> dict[str, Scheduler]:
        """Return a scheduler of each plugin that has one, by the plugin's name; `close` closes them."""
        return self._make("serai_register_scheduler", Scheduler, context_for)  # type: ignore[type-abstract]

    def make_sinks(self, context_for: ContextFor) -> dict[str, Sink]:
        """Return a sink of each plugin that has one, by the plugin's name; `close` closes them."""
        return self._make("serai_register_sink", Sink, context_for)  # type: ignore[type-abstract]

    def make_log_store(self, context_for: ContextFor) -> LogStore | None:
        """Return the log store of the first plugin that has one, None where none has; `close` closes it."""
        stores = self._make("serai_register_log_store", LogStore, context_for)  # type: ignore[type-abstract]
        return next(iter(stores.values()), None)

    def make_key_store(self, context_for: ContextFor) -> KeyStore | None:
        """Return the key store of the first plugin that has one, None where none has; `close` closes it."""
        stores = self._make("serai_register_key_store", KeyStore, context_for)  # type: ignore[type-abstract]
        return next(iter(stores.values()), None)

    def make_exposition(self, context_for: ContextFor) -> Exposition | None:
        """Return what answers `/metrics`, of the first plugin that has one; `close` closes it."""
        made = self._make("serai_register_exposition", Exposition, context_for)  # type: ignore[type-abstract]
        return next(iter(made.values()), None)

    def make_sign_ins(self, context_for: ContextFor) -> dict[str, SignIn]:
        """Return the sign-in way of each plugin that has one, by the plugin's name; `close` closes them."""
        return self._make("serai_register_sign_in", SignIn, context_for)  # type: ignore[type-abstract]

    def blueprints(self) -> dict[str, flask.Blueprint]:
        """Return the Flask blueprints by plugin name. What they are is the web's to check: flask is not known here."""
        return cast("dict[str, flask.Blueprint]", self._collect("serai_register_blueprint"))

    def commands(self) -> dict[str, click.Command]:
        """Return the click commands by plugin name. What they are is the CLI's to check."""
        return cast("dict[str, click.Command]", self._collect("serai_register_command"))

    # decisions

    def authenticate(self, credentials: Credentials) -> Identity:
        """Return who presents these credentials; raise Unauthenticated for bad ones and where no plugin knows them."""
        for implementation, answer in self._ask("serai_authenticate", credentials=credentials):
            if isinstance(answer, Identity):
                return answer
            if answer is not None:
                raise self._refuse(implementation, answer, "an Identity or None")
        raise Unauthenticated("these credentials are not known here; check the token or sign in again")

    def authorize(self, identity: Identity, permission: Permission, deployment: str | None = None) -> None:
        """Raise Forbidden unless the first plugin with an opinion allows it; no opinion at all is a no."""
        asked = self._ask("serai_authorize", identity=identity, permission=permission, deployment=deployment)
        for implementation, answer in asked:
            if answer is True:
                return
            if answer is False:
                break
            if answer is not None:  # a truthy mistake must not open a door
                raise self._refuse(implementation, answer, "True, False or None")
        where = f" on {deployment!r}" if deployment else ""
        raise Forbidden(f"{identity.login!r} lacks the permission {permission.value!r}{where}")

    def allows(self, identity: Identity, permission: Permission, deployment: str | None = None) -> bool:
        """Return whether `authorize` would let it pass."""
        try:
            self.authorize(identity, permission, deployment)
        except Forbidden:
            return False
        return True

    def grants(self, deployment: Deployment) -> tuple[Grant, ...]:
        """Return the keys that may call `deployment`, of all plugins."""
        joined: list[Grant] = []
        for implementation, answer in self._ask("serai_grants", deployment=deployment):
            if not isinstance(answer, Sequence) or not all(isinstance(grant, Grant) for grant in answer):
                raise self._refuse(implementation, answer, "a sequence of Grant")
            joined.extend(answer)
        return tuple(joined)

    def grants_keys(self) -> bool:
        """Return whether any plugin hands out keys; without one, access by keys would shut everybody out."""
        return bool(self._implementations["serai_grants"])

    def admit(self, deployment: Deployment, version: Version) -> None:
        """Raise the first objection of a plugin to a version that is about to be stored."""
        for _ in self._ask("serai_admit", deployment=deployment, version=version):
            pass

    # news

    def tell_deployment_changed(self, change: DeploymentChange) -> None:
        self._tell("serai_deployment_changed", change=change)

    def tell_routes_changed(self, table: RouteTable) -> None:
        self._tell("serai_routes_changed", table=table)

    # the plugins themselves

    def describe(self) -> list[PluginInfo]:
        """Return all plugins in order of precedence."""
        return [self._describe(name) for name in self._versions]

    def close(self) -> None:
        """Close what plugins made, the youngest first. Errors are logged; a second call does nothing."""
        while self._made:
            made = self._made.pop()
            try:
                made.close()
            except Exception:
                log.exception("closing %s failed", type(made).__name__)

    def _describe(self, name: str) -> PluginInfo:
        hooks = tuple(hook for hook in HOOKS if any(i.plugin == name for i in self._implementations[hook]))
        failing, count, last = self._faults.of(name)
        return PluginInfo(name, self._versions[name], hooks, not failing, last, count)

    def _make(self, hook: str, kind: type[T], context_for: ContextFor) -> dict[str, T]:
        made: dict[str, T] = {}
        for implementation in self._implementations[hook]:
            answer = self._register(implementation, context=context_for(implementation.plugin))
            if isinstance(answer, kind):
                made[implementation.plugin] = answer
                self._made.append(answer)
            elif answer is not None:
                raise implementation.refuse(answer, f"a {kind.__name__} or None")
        return made

    def _collect(self, hook: str) -> dict[str, object]:
        answers = {i.plugin: self._register(i) for i in self._implementations[hook]}
        return {plugin: answer for plugin, answer in answers.items() if answer is not None}

    def _register(self, implementation: Implementation, **values: object) -> object:
        """Return the answer; any error at all stops the start and names the plugin."""
        try:
            return implementation.call(**values)
        except PluginError:
            raise
        except SeraiError as error:
            raise PluginError(f"the plugin {implementation.plugin!r} does not start: {error.message}") from error

    def _ask(self, hook: str, **values: object) -> Iterator[tuple[Implementation, object]]:
        for implementation in self._implementations[hook]:
            try:
                answer = implementation.call(**values)
            except PluginError as error:
                self._faults.add(implementation.plugin, hook, error.__cause__ or error)
                raise
            except SeraiError:  # an answer, not a fault
                self._faults.clear(implementation.plugin, hook)
                raise
            self._faults.clear(implementation.plugin, hook)
            yield implementation, answer

    def _refuse(self, implementation: Implementation, answer: object, wanted: str) -> PluginError:
        error = implementation.refuse(answer, wanted)
        self._faults.add(implementation.plugin, implementation.hook, error)
        return error

    def _tell(self, hook: str, **values: object) -> None:
        for implementation in self._implementations[hook]:
            try:
                implementation.call(**values)
            except SeraiError as error:
                self._faults.add(implementation.plugin, hook, error.__cause__ or error)
            else:
                self._faults.clear(implementation.plugin, hook)
