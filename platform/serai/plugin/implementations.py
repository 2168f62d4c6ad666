"""The functions with which plugins implement one hook, called one by one so that an error names its plugin."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pluggy

from serai.domain.errors import PluginError, SeraiError

from . import hookspecs

HOOKS = tuple(name for name, value in vars(hookspecs).items() if name.startswith("serai_") and callable(value))
# Their answers are objects that are always true, which would open doors and be awaited by nobody.
_ODD = (inspect.iscoroutinefunction, inspect.isasyncgenfunction, inspect.isgeneratorfunction)


@dataclass(frozen=True, slots=True)
class Implementation:
    """One plugin's function for one hook. `arguments` are those of the hook's that it wants."""

    plugin: str
    hook: str
    function: Callable[..., object]
    arguments: tuple[str, ...]

    def call(self, **values: object) -> object:
        """Return the function's answer. A SeraiError passes, anything else becomes a PluginError with its cause."""
        try:
            return self.function(*(values[name] for name in self.arguments))
        except SeraiError:
            raise
        except Exception as error:
            raise PluginError(f"the plugin {self.plugin!r} failed in {self.hook}: {in_one_line(error)}") from error

    def refuse(self, answer: object, wanted: str) -> PluginError:
        """Return the error that says that `answer` is none that the hook allows."""
        kind = type(answer).__name__
        return PluginError(f"the plugin {self.plugin!r} answered {self.hook} with a {kind}, not with {wanted}")


def find_implementations(manager: pluggy.PluginManager) -> dict[str, tuple[Implementation, ...]]:
    """Return the implementations of each hook, first in precedence first. PluginError for one that could not work."""
    return {hook: tuple(_of_hook(manager, hook)) for hook in HOOKS}


def in_one_line(error: BaseException) -> str:
    """Return `ValueError: what it says`, without newlines and at most 300 characters long."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    return f"{name}: {text}"[:300] if text else name


def _of_hook(manager: pluggy.PluginManager, hook: str) -> Iterator[Implementation]:
    found: Iterable[pluggy.HookImpl] = getattr(manager.hook, hook).get_hookimpls()
    for impl in reversed(list(found)):  # pluggy calls the last one first
        if impl.wrapper or impl.hookwrapper:
            raise PluginError(f"the plugin {impl.plugin_name!r} wraps {hook}; a hook is a plain function here")
        if any(is_odd(impl.function) for is_odd in _ODD):
            raise PluginError(f"the plugin {impl.plugin_name!r} implements {hook} as async or as a generator")
        yield Implementation(impl.plugin_name, hook, impl.function, tuple(impl.argnames))
