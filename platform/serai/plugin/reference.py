"""Write the page on hooks, `docs/reference/hooks.md`, from the specifications themselves."""

from __future__ import annotations

import inspect
import re

from . import hookspecs
from .implementations import HOOKS

FAMILIES = ("Registration", "Decision", "News")

_HEAD = """\
# Hooks

<!-- Generated from serai.plugin.hookspecs by `python docs/generate.py`. Do not edit. -->

A plugin is a module or an object that implements any of these with `@hookimpl` from `serai.plugin`. A function may
leave out arguments that it does not need. Plugins are enabled by name, in order of precedence (`plugins` in
`serai.toml`); a name is that of an entry point of the group `serai`, or a module's dotted path. An entry point names
a module, or a class (`package.module:Class`) where hooks share a state: each server makes an object of it, called
without arguments. `examples/plugins/serai_tiny` is a complete plugin.

"""
_FIELD = re.compile(r":(param|returns|raises)\s*(\w*):\s*(.*)", re.DOTALL)


def make_hooks_page() -> str:
    """Return the page as Markdown: a section for each hook, headed by its exact signature."""
    rules, sections = _family_rules(), []
    for family in FAMILIES:
        sections.append(f"## {family}\n\n{rules[family]}\n")
        sections += [make_section(hook) for hook in HOOKS if family_of(hook) == family]
    return _HEAD + "\n".join(sections)


def make_section(hook: str) -> str:
    doc = inspect.getdoc(getattr(hookspecs, hook)) or ""
    return f"### `{signature_of(hook)}`\n\n{_to_markdown(doc)}\n"


def signature_of(hook: str) -> str:
    """Return `name(argument: Type) -> Type` with the annotations as they are written."""
    signature = inspect.signature(getattr(hookspecs, hook))
    arguments = ", ".join(f"{one.name}: {one.annotation}" for one in signature.parameters.values())
    return f"{hook}({arguments}) -> {signature.return_annotation}"


def family_of(hook: str) -> str:
    """Return the family that the hook's docstring names, "" where it names none."""
    doc = inspect.getdoc(getattr(hookspecs, hook)) or ""
    return next((family for family in FAMILIES if re.search(rf"\b{family}[.;]", doc)), "")


def _family_rules() -> dict[str, str]:
    """Return what the module's docstring says of each family, as sentences."""
    doc = inspect.getdoc(hookspecs) or ""
    found = {name.capitalize(): rule for name, rule in re.findall(r"^(\w+)\s+- (.*?)[;.]$", doc, re.MULTILINE)}
    return {family: found[family][0].upper() + found[family][1:] + "." for family in FAMILIES}


def _to_markdown(doc: str) -> str:
    """Return a docstring with its fields as a list."""
    text, _, fields = doc.partition("\n:")
    items = [_to_item(f":{item}") for item in re.split(r"\n:", fields)] if fields else []
    return "\n".join([text.strip(), *([""] if items else []), *items])


def _to_item(field: str) -> str:
    match = _FIELD.match(field)
    if match is None:
        raise ValueError(f"{field!r} is no field of a docstring")
    kind, name, text = match.groups()
    label = {"param": f"`{name}`", "returns": "Returns", "raises": f"Raises `{name}`"}[kind]
    return f"- {label}: {' '.join(text.split())}"
