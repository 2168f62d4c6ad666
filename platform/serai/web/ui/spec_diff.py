"""What differs between two specs, key by key: a pure function over the manifest's own keys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from serai.domain.spec import Spec
from serai.domain.spec_text import dump_spec

from .manifest_text import write_value

_IMPLIED = frozenset({"health.tcp"})  # what is checked where no path is given


@dataclass(frozen=True, slots=True)
class Difference:
    """One key with its two values in words; an empty one is not set."""

    key: str
    before: str
    after: str


def compare_specs(before: Spec, after: Spec) -> list[Difference]:
    """Return the keys whose values differ, in the manifest's order. A secret that changed names itself only."""
    old, new = flatten(dump_spec(before)), flatten(dump_spec(after))
    keys = list(dict.fromkeys([*new, *old]))
    differences = [Difference(k, old.get(k, ""), new.get(k, "")) for k in keys if old.get(k, "") != new.get(k, "")]
    return differences + _compare_secrets(before.secrets, after.secrets)


def describe_spec(spec: Spec) -> list[tuple[str, str, bool]]:
    """Return (key, value, is the default) of everything that is set, in the manifest's order."""
    default = flatten(dump_spec(Spec()))
    return [(key, value, default.get(key) == value) for key, value in flatten(dump_spec(spec)).items() if value]


def flatten(value: Mapping[str, object], path: str = "") -> dict[str, str]:
    """Return `{dotted key: text}`; nothing for None and for empty lists and mappings."""
    return dict(_walk(value, path))


def _walk(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _walk(inner, f"{path}.{key}" if path else str(key))
    elif value is not None and value != [] and path not in _IMPLIED:
        yield path, _write(path, value)


def _write(path: str, value: object) -> str:
    """Return a value as people write it in a manifest."""
    written = value if path.startswith("env.") else write_value(path.rpartition(".")[2], value)
    return written if isinstance(written, str) else json.dumps(written)


def _compare_secrets(before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    both = before.keys() & after.keys()
    return [Difference(f"secrets.{name}", "•••", "another •••") for name in sorted(both) if before[name] != after[name]]
