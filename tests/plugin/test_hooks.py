"""What each hook promises, seen through the facade. One test at least is named after each hook."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
import flask
import pytest

from serai.domain.deployment import Deployment, Event, Settings, Version
from serai.domain.errors import Conflict, Forbidden, Invalid, NotFound, PluginError, Unauthenticated
from serai.domain.keys import Key, KeyWish
from serai.domain.routes import Grant, RouteTable
from serai.domain.spec import Spec
from serai.plugin import (
    Credentials,
    Departure,
    DeploymentChange,
    Exposition,
    Identity,
    KeyStore,
    Permission,
    Person,
    PluginContext,
    SignIn,
    VersionFacts,
    hookimpl,
)
from serai.plugin.facade import Plugins
from serai.plugin.registry import load_plugins
from serai.plugin.testing.fakes import FakeScheduler, FakeSink
from tests.plugin.memory_logs import MemoryLogStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DEPLOYMENT = Deployment("digits", "ann", Settings(), NOW, NOW)
VERSION = Version("digits", 1, Spec(command="./start.sh"), NOW)
CHANGE = DeploymentChange(Event(1, NOW, "version.started", "digits", 1, "", "", "ann"), DEPLOYMENT)
ANN = Identity("ann", frozenset({Permission.READ}))
ANN_TOKEN = Credentials("ann's")


def load(**plugins: object) -> Plugins:
    """Load objects as plugins, the first before the second in precedence."""
    return load_plugins([], list(plugins.items()))


def context_for(name: str) -> PluginContext:
    return PluginContext(Path("/nowhere") / name, {"for": name}, Path, "http://127.0.0.1:8080")


class Registers:
    """Registers one object through any of the registration hooks."""

    def __init__(self, answer: object = None, error: Exception | None = None) -> None:
        self.answer, self.error = answer, error
        self.contexts: list[PluginContext] = []

    @hookimpl
    def serai_register_scheduler(self, context: PluginContext) -> object:
        self.contexts.append(context)
        return self._give()

    @hookimpl
    def serai_register_sink(self, context: PluginContext) -> object:
        return self._give()

    @hookimpl
    def serai_register_log_store(self, context: PluginContext) -> object:
        return self._give()

    @hookimpl
    def serai_register_key_store(self, context: PluginContext) -> object:
        return self._give()

    @hookimpl
    def serai_register_exposition(self) -> object:
        return self._give()

    @hookimpl
    def serai_register_sign_in(self, context: PluginContext) -> object:
        return self._give()

    @hookimpl
    def serai_register_blueprint(self) -> object:
        return self._give()

    @hookimpl
    def serai_register_command(self) -> object:
        return self._give()

    def _give(self) -> object:
        if self.error is not None:
            raise self.error
        return self.answer


class Decides:
    """Answers decisions from a table: hook -> answer, or an error to raise."""

    def __init__(self, answers: Mapping[str, object]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    @hookimpl
    def serai_authenticate(self, credentials: Credentials) -> object:
        return self._give("authenticate")

    @hookimpl
    def serai_authorize(self, identity: Identity, permission: Permission, deployment: str | None) -> object:
        return self._give("authorize")

    @hookimpl
    def serai_grants(self, deployment: Deployment) -> object:
        return self._give("grants")

    @hookimpl
    def serai_admit(self, deployment: Deployment, version: Version) -> object:
        return self._give("admit")

    def _give(self, hook: str) -> object:
        self.asked.append(hook)
        answer = self.answers.get(hook)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Listens:
    """Keeps the news, or fails at it."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.error: Exception | None = None

    @hookimpl
    def serai_deployment_changed(self, change: DeploymentChange) -> None:
        self._hear(change)

    @hookimpl
    def serai_routes_changed(self, table: RouteTable) -> None:
        self._hear(table)

    def _hear(self, news: object) -> None:
        if self.error is not None:
            raise self.error
        self.heard.append(news)


REGISTRATIONS = {
    "serai_register_scheduler": lambda plugins: plugins.make_schedulers(context_for),
    "serai_register_sink": lambda plugins: plugins.make_sinks(context_for),
    "serai_register_log_store": lambda plugins: plugins.make_log_store(context_for),
    "serai_register_key_store": lambda plugins: plugins.make_key_store(context_for),
    "serai_register_exposition": lambda plugins: plugins.make_exposition(context_for),
    "serai_register_sign_in": lambda plugins: plugins.make_sign_ins(context_for),
    "serai_register_blueprint": lambda plugins: plugins.blueprints(),
    "serai_register_command": lambda plugins: plugins.commands(),
}


def test_serai_register_scheduler_gets_its_own_context_and_is_named_by_plugin() -> None:
    one, two, none = Registers(FakeScheduler()), Registers(FakeScheduler()), Registers(None)
    made = load(one=one, none=none, two=two).make_schedulers(context_for)
    assert made == {"one": one.answer, "two": two.answer}
    assert one.contexts == [context_for("one")] and two.contexts == [context_for("two")]


def test_serai_register_sink_is_closed_with_the_plugins() -> None:
    sink = FakeSink()
    plugins = load(one=Registers(sink))
    assert plugins.make_sinks(context_for) == {"one": sink}
    plugins.close()
    assert sink.closed


def test_serai_register_log_store_takes_the_first_and_closes_all() -> None:
    first, second = MemoryLogStore(), MemoryLogStore()
    plugins = load(none=Registers(None), one=Registers(first), two=Registers(second))
    assert plugins.make_log_store(context_for) is first
    plugins.close()
    assert first.is_closed and second.is_closed
    assert load(none=Registers(None)).make_log_store(context_for) is None


class NoKeys(KeyStore):
    """A key store with nothing in it, which can be closed."""

    closed = False

    def create(self, wish: KeyWish, now: datetime, actor: str) -> tuple[Key, str]:
        raise Conflict("it makes no keys")

    def list_keys(self) -> list[Key]:
        return []

    def get(self, id: int) -> Key:
        raise NotFound(f"no key {id}", "key-not-found")

    def change(self, id: int, wish: KeyWish) -> Key:
        return self.get(id)

    def rotate(self, id: int, now: datetime, overlap_s: float) -> tuple[Key, str]:
        return self.get(id), ""

    def revoke(self, id: int) -> Key:
        return self.get(id)

    def close(self) -> None:
        self.closed = True


def test_serai_register_key_store_takes_the_first_and_closes_all() -> None:
    first, second = NoKeys(), NoKeys()
    plugins = load(none=Registers(None), one=Registers(first), two=Registers(second))
    assert plugins.make_key_store(context_for) is first
    plugins.close()
    assert first.closed and second.closed
    assert load(none=Registers(None)).make_key_store(context_for) is None


class Nothing(Exposition):
    """Tells nothing, and can be closed."""

    closed = False

    def render(self, versions: Sequence[VersionFacts], accept: str, now: datetime) -> tuple[bytes, str]:
        return b"", "text/plain"

    def close(self) -> None:
        self.closed = True


def test_serai_register_exposition_takes_the_first_and_closes_all() -> None:
    first, second = Nothing(), Nothing()
    plugins = load(none=Registers(None), one=Registers(first), two=Registers(second))
    assert plugins.make_exposition(context_for) is first
    plugins.close()
    assert first.closed and second.closed
    assert load(none=Registers(None)).make_exposition(context_for) is None


class Nobody(SignIn):
    """Signs nobody in, and can be closed."""

    label = "nobody"
    closed = False

    def begin(self, callback_url: str, state: str) -> Departure:
        return Departure(f"{callback_url}?state={state}")

    def finish(self, callback_url: str, answer: Mapping[str, str], kept: Mapping[str, str]) -> Person:
        raise Unauthenticated("nobody is known here")

    def close(self) -> None:
        self.closed = True


def test_serai_register_sign_in_is_named_by_plugin_and_closed() -> None:
    one, two = Nobody(), Nobody()
    plugins = load(none=Registers(None), one=Registers(one), two=Registers(two))
    assert plugins.make_sign_ins(context_for) == {"one": one, "two": two}
    plugins.close()
    assert one.closed and two.closed


def test_serai_register_blueprint_is_named_by_plugin() -> None:
    blueprint = flask.Blueprint("pages", __name__)
    assert load(one=Registers(blueprint), two=Registers(None)).blueprints() == {"one": blueprint}


def test_serai_register_command_is_named_by_plugin() -> None:
    command = click.Command("hello")
    assert load(one=Registers(command), two=Registers(None)).commands() == {"one": command}


@pytest.mark.parametrize("hook", REGISTRATIONS)
@pytest.mark.parametrize("error", [ValueError("no\nway"), Invalid("no way")], ids=["any", "ours"])
def test_an_error_of_a_registration_names_the_plugin_in_one_line(hook: str, error: Exception) -> None:
    plugins = load(good=Registers(None), bad=Registers(error=error))
    with pytest.raises(PluginError, match=r"'bad'.*no way") as raised:
        REGISTRATIONS[hook](plugins)
    assert "\n" not in raised.value.message and raised.value.__cause__ is not None


@pytest.mark.parametrize("hook", sorted(set(REGISTRATIONS) - {"serai_register_blueprint", "serai_register_command"}))
def test_a_registered_object_has_to_be_of_its_kind(hook: str) -> None:
    with pytest.raises(PluginError, match=f"'bad' answered {hook} with a dict"):
        REGISTRATIONS[hook](load(bad=Registers({})))


def test_close_closes_all_though_one_fails(caplog: pytest.LogCaptureFixture) -> None:
    class Stubborn(FakeSink):
        def close(self) -> None:
            raise OSError("no")

    first = FakeSink()
    plugins = load(first=Registers(first), last=Registers(Stubborn()))
    plugins.make_sinks(context_for)
    plugins.close()
    plugins.close()
    assert first.closed and caplog.text.count("closing Stubborn failed") == 1


# answers of the plugins "first" and "second" -> what the call comes to
AUTHENTICATIONS = [
    (None, None, Unauthenticated),
    (None, ANN, ANN),
    (ANN, Identity("bob"), ANN),
    (Unauthenticated("expired"), ANN, Unauthenticated),
    (None, ValueError("bug"), PluginError),
    (None, "ann", PluginError),
    (None, True, PluginError),
]


@pytest.mark.parametrize(("first", "second", "outcome"), AUTHENTICATIONS)
def test_serai_authenticate_takes_the_first_answer(first: object, second: object, outcome: object) -> None:
    plugins = load(first=Decides({"authenticate": first}), second=Decides({"authenticate": second}))
    if isinstance(outcome, Identity):
        assert plugins.authenticate(ANN_TOKEN) == outcome
    else:
        assert isinstance(outcome, type)
        with pytest.raises(outcome) as raised:
            plugins.authenticate(ANN_TOKEN)
        assert ANN_TOKEN.token not in str(raised.value)


def test_serai_authenticate_without_plugins_lets_nobody_in() -> None:
    with pytest.raises(Unauthenticated):
        load().authenticate(ANN_TOKEN)


AUTHORIZATIONS = [
    (None, None, Forbidden),
    (None, True, None),
    (True, False, None),
    (False, True, Forbidden),
    (None, 1, PluginError),
    (None, "yes", PluginError),
    (ValueError("bug"), True, PluginError),
    (Forbidden("not you"), True, Forbidden),
]


@pytest.mark.parametrize(("first", "second", "error"), AUTHORIZATIONS)
def test_serai_authorize_needs_a_plain_yes(first: object, second: object, error: type[Exception] | None) -> None:
    plugins = load(first=Decides({"authorize": first}), second=Decides({"authorize": second}))
    if error is None:
        plugins.authorize(ANN, Permission.WRITE, "digits")
    else:
        with pytest.raises(error):
            plugins.authorize(ANN, Permission.WRITE, "digits")


def test_serai_authorize_names_who_may_not_do_what() -> None:
    with pytest.raises(Forbidden, match="'ann' lacks the permission 'write' on 'digits'"):
        load().authorize(ANN, Permission.WRITE, "digits")


def test_serai_grants_are_joined() -> None:
    one, two = Grant("0" * 64, "k1"), Grant("1" * 64, "k2", 5.0)
    plugins = load(first=Decides({"grants": [one]}), second=Decides({"grants": (two,)}))
    assert plugins.grants(DEPLOYMENT) == (one, two)
    assert plugins.grants_keys()
    assert not load(listens=Listens()).grants_keys()


@pytest.mark.parametrize("answer", [None, "abc", ["abc"], 5])
def test_serai_grants_refuses_what_are_no_grants(answer: object) -> None:
    with pytest.raises(PluginError, match="'bad' answered serai_grants"):
        load(bad=Decides({"grants": answer})).grants(DEPLOYMENT)


def test_serai_admit_asks_every_plugin_until_one_objects() -> None:
    first, second, third = Decides({}), Decides({"admit": Conflict("not on Fridays")}), Decides({})
    plugins = load(first=first, second=second, third=third)
    with pytest.raises(Conflict, match="not on Fridays"):
        plugins.admit(DEPLOYMENT, VERSION)
    assert (first.asked, second.asked, third.asked) == (["admit"], ["admit"], [])
    load(first=first, third=third).admit(DEPLOYMENT, VERSION)
    assert third.asked == ["admit"]


def test_serai_admit_refuses_on_a_bug() -> None:
    with pytest.raises(PluginError, match="'bad' failed in serai_admit: KeyError: 'gpu'"):
        load(bad=Decides({"admit": KeyError("gpu")})).admit(DEPLOYMENT, VERSION)


def test_serai_deployment_changed_reaches_the_others_when_one_fails(caplog: pytest.LogCaptureFixture) -> None:
    bad, good = Listens(), Listens()
    bad.error = RuntimeError("no network")
    plugins = load(bad=bad, good=good)
    for _ in range(3):
        plugins.tell_deployment_changed(CHANGE)
    assert good.heard == [CHANGE] * 3
    assert [record.levelno for record in caplog.records if "bad" in record.getMessage()] == [logging.ERROR]


def test_serai_routes_changed_is_told_and_a_recovery_noted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    ear, table = Listens(), RouteTable(7, {})
    plugins = load(ear=ear)
    ear.error = Conflict("an error of our own is a fault here, too")
    plugins.tell_routes_changed(table)
    (failing,) = plugins.describe()
    assert not failing.healthy and failing.faults == 1 and "of our own" in failing.last_error
    ear.error = None
    plugins.tell_routes_changed(table)
    (info,) = plugins.describe()
    assert ear.heard == [table]
    assert info.healthy and info.faults == 1 and "works again" in caplog.text


def test_one_hook_that_works_does_not_hide_one_that_fails() -> None:
    class Half(Listens):
        @hookimpl
        def serai_routes_changed(self, table: RouteTable) -> None:
            raise RuntimeError("always")

    plugins = load(half=Half())
    plugins.tell_routes_changed(RouteTable(1, {}))
    plugins.tell_deployment_changed(CHANGE)
    assert not plugins.describe()[0].healthy


def test_a_plugin_takes_only_the_arguments_it_wants() -> None:
    class Wants:
        @hookimpl
        def serai_authorize(self, permission: Permission) -> bool:
            return permission is Permission.READ

        @hookimpl
        def serai_admit(self) -> None:
            raise Conflict("closed")

    plugins = load(wants=Wants())
    plugins.authorize(ANN, Permission.READ)
    with pytest.raises(Conflict):
        plugins.admit(DEPLOYMENT, VERSION)


def test_an_interrupt_is_nobodys_fault() -> None:
    class Interrupted:
        @hookimpl
        def serai_routes_changed(self) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(one=Interrupted()).tell_routes_changed(RouteTable(1, {}))
