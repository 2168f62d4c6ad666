"""A manifest as a person types it: YAML to parts, with the line of whatever is wrong; and a spec as YAML again."""

from __future__ import annotations

import re
from collections.abc import Mapping

import yaml

from serai.domain.errors import Invalid
from serai.domain.manifest import ASK, Manifest, parse_manifest
from serai.domain.quantity import format_bytes, format_duration, parse_bytes, parse_duration
from serai.domain.spec import Spec
from serai.domain.spec_text import dump_spec

DURATIONS = frozenset({"start_timeout", "queue_timeout", "drain_timeout", "interval", "timeout"})
SIZES = frozenset({"memory", "memory_max", "disk"})
MAX_BYTES = 256 * 1024
_SEGMENT = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def read_manifest_text(text: str, name: str, more: Mapping[str, object]) -> Manifest:
    """Return the manifest of `text` with the keys of `more` on top. Raise Invalid with field and line."""
    values = _load_yaml(text)
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise Invalid("the manifest has to be keys and values, such as `replicas: 2`", "manifest", line=1)
    try:
        return parse_manifest({**values, **more}, name)
    except Invalid as error:
        raise Invalid(error.message, error.field, error.code, find_line(text, error.field)) from error


def find_line(text: str, field: str) -> int | None:
    """Return the line, from 1, in which the dotted `field` stands, or the nearest key above it."""
    node = yaml.compose(text, yaml.SafeLoader)
    line = None
    for key, place in _SEGMENT.findall(field):
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if getattr(k, "value", None) == key), None)
        elif isinstance(node, yaml.SequenceNode) and place and int(place) < len(node.value):
            found = (node.value[int(place)],) * 2
        else:
            found = None
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def write_manifest_text(spec: Spec) -> str:
    """Return what of a spec differs from the defaults as YAML, the bundle left out; secrets are asked for again."""
    values = _differing(dump_spec(spec), dump_spec(Spec()))
    values.pop("bundle", None)
    if spec.secrets:
        values["secrets"] = dict.fromkeys(sorted(spec.secrets), ASK)
    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True)) if values else ""


def _differing(values: Mapping[str, object], default: Mapping[str, object]) -> dict[str, object]:
    kept: dict[str, object] = {}
    for key, value in values.items():
        known = default.get(key)
        if value == known or value in (None, "", [], {}):
            continue
        if key == "env":  # its keys and values are the user's own, empty ones too
            kept[key] = value
        elif isinstance(value, Mapping):
            kept[key] = _differing(value, known if isinstance(known, Mapping) else {})
        else:
            kept[key] = write_value(key, value)
    return kept


def write_value(key: str, value: object) -> object:
    """Return a number as people write it, `1 GiB` and `2m`, where that says exactly the same."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return value
    if key in SIZES and parse_bytes(text := format_bytes(value), key) == value:
        return text
    if key in DURATIONS and parse_duration(text := format_duration(value), key) == value:
        return text
    return int(value) if value == int(value) else value


def _load_yaml(text: str) -> object:
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise Invalid(f"the manifest is larger than {MAX_BYTES // 1024} KiB", "manifest")
    try:
        # An alias can make a short text enormous, and no manifest needs one.
        for token in yaml.scan(text, yaml.SafeLoader):
            if isinstance(token, yaml.AliasToken):
                raise Invalid("the manifest uses a YAML alias (*); write the value out", "manifest", line=_line(token))
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise Invalid(
            f"this is not YAML: {error.problem}", "manifest", "not-yaml", mark.line + 1 if mark else 1
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Invalid(f"this is not YAML: {error}", "manifest", "not-yaml", 1) from error


def _line(token: yaml.Token) -> int:
    return int(token.start_mark.line) + 1
