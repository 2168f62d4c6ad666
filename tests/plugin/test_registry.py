"""Plugins are found by name, and what could not work is refused in one line that names it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from serai.domain.deployment import Deployment
from serai.domain.errors import Conflict, PluginError
from serai.domain.routes import RouteTable
from serai.plugin import hookimpl
from serai.plugin.implementations import HOOKS
from serai.plugin.registry import known_plugins, load_plugins
from serai.plugin.testing.fakes import FakeSink

GOOD = "from serai.plugin import hookimpl\n__version__ = '1.2'\n@hookimpl\ndef serai_routes_changed(table): pass\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path in which the package `plugged` can be written; its modules are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "plugged").mkdir()
    (tmp_path / "plugged" / "__init__.py").touch()
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "plugged"]:
        del sys.modules[name]


def write_plugin(site: Path, source: str, name: str = "one") -> str:
    (site / "plugged" / f"{name}.py").write_text(source)
    return f"plugged.{name}"


def add_entry_point(site: Path, package: str, line: str) -> None:
    info = site / f"{package}-3.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 3.1\n")
    (info / "entry_points.txt").write_text(f"[serai]\n{line}\n")


def refusal_of(*enabled: str, extra: dict[str, object] | None = None) -> str:
    with pytest.raises(PluginError) as raised:
        load_plugins(enabled, list((extra or {}).items()))
    assert "\n" not in raised.value.message
    return raised.value.message


def test_no_plugins() -> None:
    assert load_plugins([]).describe() == []


def test_a_plugin_by_dotted_path(site: Path) -> None:
    (info,) = load_plugins([write_plugin(site, GOOD)]).describe()
    assert (info.name, info.version, info.hooks) == ("plugged.one", "1.2", ("serai_routes_changed",))
    assert (info.healthy, info.faults, info.last_error) == (True, 0, "")


def test_a_plugin_by_entry_point(site: Path) -> None:
    write_plugin(site, GOOD)
    add_entry_point(site, "plugged", "shiny = plugged.one")
    (info,) = load_plugins(["shiny"]).describe()
    assert (info.name, info.version) == ("shiny", "3.1")
    assert "shiny" in known_plugins()


STATEFUL = """
from serai.domain.errors import Conflict
from serai.plugin import hookimpl

class Counting:
    def __init__(self): self.asked = 0
    @hookimpl
    def serai_admit(self):
        self.asked += 1
        raise Conflict(str(self.asked))
"""


def test_an_entry_point_of_a_class_gives_each_server_an_object_of_its_own(site: Path) -> None:
    write_plugin(site, STATEFUL)
    add_entry_point(site, "plugged", "counting = plugged.one:Counting")
    one, other = load_plugins(["counting"]), load_plugins(["counting"])
    for plugins, count in ((one, "1"), (one, "2"), (other, "1")):
        with pytest.raises(Conflict, match=f"^{count}$"):
            plugins.admit(None, None)  # type: ignore[arg-type]
    assert one.describe()[0].hooks == ("serai_admit",)


def test_a_class_that_cannot_be_made_is_refused_by_name(site: Path) -> None:
    write_plugin(site, STATEFUL.replace("(self): self.asked = 0", "(self, needed): pass"))
    add_entry_point(site, "plugged", "counting = plugged.one:Counting")
    assert "the plugin 'counting' cannot be loaded: TypeError" in refusal_of("counting")


def test_two_packages_with_a_plugin_of_one_name(site: Path) -> None:
    add_entry_point(site, "plugged", "shiny = plugged.one")
    add_entry_point(site, "other", "shiny = other.one")
    assert "two packages bring a plugin 'shiny'" in refusal_of("shiny")


def test_an_unknown_name_gets_a_hint(site: Path) -> None:
    add_entry_point(site, "plugged", "shiny = plugged.one")
    assert refusal_of("shinny") == "there is no plugin 'shinny'; did you mean 'shiny'?"
    assert "installed are" in refusal_of("qqqqqqqq")


BROKEN = {
    "ModuleNotFoundError: No module named 'numpyy'": "import numpyy",
    "ValueError: two lines": "raise ValueError('two\\nlines')",
    "SyntaxError": "def",
    "SystemExit: 3": "import sys; sys.exit(3)",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_plugin_that_cannot_be_imported(site: Path, text: str) -> None:
    message = refusal_of(write_plugin(site, BROKEN[text]))
    assert message.startswith("the plugin 'plugged.one' cannot be loaded: ") and text in message


def test_a_module_that_is_not_there() -> None:
    assert "No module named 'no_such_package'" in refusal_of("no_such_package.plugin")


class Misspelt:
    @hookimpl
    def serai_admitt(self, deployment: Deployment) -> None: ...


class UnknownArgument:
    @hookimpl
    def serai_admit(self, deploymnt: Deployment) -> None: ...


class Unmarked:
    def serai_admit(self, deployment: Deployment) -> None: ...


class Wrapping:
    @hookimpl(wrapper=True)
    def serai_routes_changed(self, table: RouteTable) -> Iterator[None]:
        yield


class Asynchronous:
    @hookimpl
    async def serai_authorize(self, deployment: str | None) -> bool:
        return True


class Streaming:
    @hookimpl
    async def serai_grants(self, deployment: Deployment) -> AsyncIterator[None]:
        yield


class Generating:
    @hookimpl
    def serai_grants(self, deployment: Deployment) -> Iterator[None]:
        yield


UNFIT = [
    (Misspelt(), "unknown hook 'serai_admitt'"),
    (Misspelt(), "did you mean serai_admit?"),
    (UnknownArgument(), "deploymnt"),
    (Unmarked(), "has serai_admit without @hookimpl"),
    (Wrapping(), "wraps serai_routes_changed"),
    (Asynchronous(), "implements serai_authorize as async"),
    (Streaming(), "implements serai_grants as async or as a generator"),
    (Generating(), "implements serai_grants as async or as a generator"),
]


@pytest.mark.parametrize(("plugin", "text"), UNFIT, ids=lambda value: type(value).__name__)
def test_a_plugin_that_fits_no_hook(plugin: object, text: str) -> None:
    message = refusal_of(extra={"good": FakeSink(), "bad": plugin})
    assert "'bad'" in message and text in message


def test_a_name_given_twice(site: Path) -> None:
    name = write_plugin(site, GOOD)
    assert "given twice" in refusal_of(name, name)
    assert "given twice" in refusal_of(name, extra={name: FakeSink()})


def test_a_module_under_two_names(site: Path) -> None:
    add_entry_point(site, "plugged", "shiny = plugged.one")
    assert "already registered" in refusal_of("shiny", write_plugin(site, GOOD))


def test_precedence_is_the_order_and_extra_comes_last(site: Path) -> None:
    class Objects:
        @hookimpl
        def serai_admit(self) -> None:
            raise Conflict("extra")

    source = "from serai.plugin import hookimpl\nfrom serai.domain.errors import Conflict\n@hookimpl\n"
    names = [write_plugin(site, f"{source}def serai_admit(): raise Conflict('{name}')", name) for name in ("b", "a")]
    plugins = load_plugins(names, [("extra", Objects())])
    assert [info.name for info in plugins.describe()] == [*names, "extra"]
    with pytest.raises(Conflict, match=r"^b$"):
        plugins.admit(None, None)  # type: ignore[arg-type]


def test_two_sets_of_plugins_know_nothing_of_each_other() -> None:
    assert load_plugins([], [("one", FakeSink())]).describe() != load_plugins([]).describe() == []


def test_hooks_are_listed_in_the_order_of_a_servers_life() -> None:
    assert HOOKS[0] == "serai_register_scheduler" and HOOKS[-1] == "serai_routes_changed"
