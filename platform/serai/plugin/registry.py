"""Find plugins by name, load them, and refuse what could not work before anything starts."""

from __future__ import annotations

import difflib
import importlib
import logging
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points

import pluggy

from serai.domain.errors import PluginError

from . import hookspecs
from .facade import Plugins
from .implementations import HOOKS, find_implementations, in_one_line

log = logging.getLogger(__name__)
GROUP = "serai"


def load_plugins(enabled: Sequence[str], extra: Sequence[tuple[str, object]] = ()) -> Plugins:
    """Return the plugins `enabled`, and behind them in precedence the objects of `extra` with their names.

    A name is that of an entry point of the group `serai`, or a dotted path of a module (`package.module`). An entry
    point names a module, or a class (`package.module:Class`) for a plugin with a state of its own: each call here
    makes another object of it. Where the first answer holds, the earlier plugin's does. Raise PluginError, in one
    line, for a name that is unknown or given twice, a module that cannot be imported, and an implementation that fits
    no hook.
    """
    known = _entry_points()
    loaded = [(name, *_load(name, known)) for name in enabled]
    loaded += [(name, plugin, "") for name, plugin in extra]
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    for name, plugin, _ in reversed(loaded):  # pluggy calls the last registered first
        _register(manager, name, plugin)
    versions = {name: version for name, _, version in loaded}
    log.info("plugins: %s", ", ".join(versions) or "none")
    return Plugins(versions, find_implementations(manager))


def known_plugins() -> list[str]:
    """Return the names of all installed plugins, whether enabled or not, sorted."""
    return sorted(_entry_points())


def _entry_points() -> dict[str, EntryPoint]:
    known: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        other = known.setdefault(point.name, point)
        if other.value != point.value:
            raise PluginError(f"two packages bring a plugin {point.name!r}: {other.value} and {point.value}")
    return known


def _load(name: str, known: dict[str, EntryPoint]) -> tuple[object, str]:
    """Return the plugin and its version."""
    if point := known.get(name):
        return _import(name, lambda: _make(point.load())), point.dist.version if point.dist else ""
    if "." in name:
        module = _import(name, lambda: importlib.import_module(name))
        return module, str(getattr(module, "__version__", ""))
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"installed are {', '.join(sorted(known)) or 'none'}"
    raise PluginError(f"there is no plugin {name!r}; {hint}", code="unknown-plugin")


def _make(loaded: object) -> object:
    """Return an object of a class, and anything else as it is."""
    return loaded() if isinstance(loaded, type) else loaded


def _import(name: str, load: Callable[[], object]) -> object:
    try:
        return load()
    except (Exception, SystemExit) as error:  # a module that exits must not take the server along without a word
        raise PluginError(f"the plugin {name!r} cannot be loaded: {in_one_line(error)}") from error


def _register(manager: pluggy.PluginManager, name: str, plugin: object) -> None:
    if manager.has_plugin(name):
        raise PluginError(f"the plugin {name!r} is given twice")
    _check_hooks(name, plugin)
    try:
        manager.register(plugin, name)
        manager.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        raise PluginError(f"the plugin {name!r} does not fit: {_explain(error)}") from error


def _check_hooks(name: str, plugin: object) -> None:
    """Refuse a function that is named like a hook but carries no @hookimpl: it would never be called."""
    for hook in HOOKS:
        function = getattr(plugin, hook, None)
        if callable(function) and not hasattr(function, "serai_impl"):
            raise PluginError(f"the plugin {name!r} has {hook} without @hookimpl, so it would never be called")


def _explain(error: Exception) -> str:
    text = in_one_line(error)
    near = [hook for word in text.split() for hook in difflib.get_close_matches(word.strip("'"), HOOKS, n=1)]
    return f"{text} (did you mean {near[0]}?)" if "unknown hook" in text and near else text
