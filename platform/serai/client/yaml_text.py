"""Read YAML as values that remember their lines: the core schema of YAML 1.2, without surprises and without bombs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from serai.domain.errors import Invalid

MAX_BYTES = 256 * 1024
MAX_VALUES = 10_000
MAX_DEPTH = 50
TEXT_MAPPINGS = frozenset({"env", "secrets"})  # their values are taken as written: 1.10 stays 1.10, yes stays yes
_CORE = "tag:yaml.org,2002:"


class _CoreLoader(yaml.SafeLoader):
    """Composes nodes with YAML 1.2's types: `on` and `no` are text, `1:30` and `2024-01-01` too."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own hook


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    _CoreLoader.add_implicit_resolver(f"{_CORE}{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first)


@dataclass(frozen=True, slots=True)
class YamlText:
    """`values` as plain Python, `lines` from the dotted path of each value (`mounts[0].path`) to its line, from 1."""

    values: object
    lines: dict[str, int] = field(default_factory=dict)


def read_yaml(text: str) -> YamlText | None:
    """Return the one document in `text`, None where there is none; Invalid with the line where it is no good YAML."""
    if len(text) > MAX_BYTES:
        raise Invalid(f"is longer than {MAX_BYTES // 1024} KiB, which no manifest needs")
    try:
        node = _CoreLoader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        raise _make_syntax_error(error, text) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Invalid(f"holds a character that text cannot hold (#x{error.character:04x})", line=line) from error
    except RecursionError as error:
        raise Invalid("is nested too deeply") from error
    if node is None:
        return None
    reader = _Reader()
    return YamlText(reader.read(node, "", 0), reader.lines)


class _Reader:
    """Makes values of nodes, counting them, as an alias repeats all that it stands for."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self._count = 0

    def read(self, node: yaml.Node, path: str, depth: int) -> object:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        self._count += 1
        if self._count > MAX_VALUES:
            raise Invalid(f"holds more than {MAX_VALUES:,} values, aliases (*name) counted in full", line=line)
        if depth > MAX_DEPTH:
            raise Invalid("is nested too deeply, or an alias (*name) stands inside of what it names", line=line)
        if not isinstance(node, yaml.ScalarNode) and node.tag not in {f"{_CORE}map", f"{_CORE}seq"}:
            raise _make_tag_error(node)
        if isinstance(node, yaml.MappingNode):
            return dict(self._read_pairs(node, path, depth))
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, f"{path}[{place}]", depth + 1) for place, item in enumerate(node.value)]
        return node.value if path.partition(".")[0] in TEXT_MAPPINGS and "." in path else _read_scalar(node)

    def _read_pairs(self, node: yaml.MappingNode, path: str, depth: int) -> Iterator[tuple[str, object]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise Invalid("a key has to be a word", line=line)
            key = str(key_node.value)
            if key in seen:
                raise Invalid(f"{key!r} stands here twice, first in line {seen[key]}", line=line)
            seen[key] = line
            field = f"{path}.{key}" if path else key
            self.lines[field] = line
            yield key, self.read(value_node, field, depth + 1)


def _read_scalar(node: yaml.Node) -> object:
    text, tag = str(node.value), node.tag.removeprefix(_CORE)
    if tag == "str":
        return text
    if tag == "null":
        return None
    if tag == "bool" and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    try:
        if tag == "int":
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        if tag == "float":
            return float(text)
    except ValueError as error:  # an explicit tag that does not suit, or thousands of digits
        raise Invalid(f"{text[:40]!r} is not a number", line=node.start_mark.line + 1) from error
    raise _make_tag_error(node)


def _make_tag_error(node: yaml.Node) -> Invalid:
    return Invalid(f"the tag {node.tag!r} means nothing here", line=node.start_mark.line + 1)


def _make_syntax_error(error: yaml.MarkedYAMLError, text: str) -> Invalid:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    source = text.splitlines()[line - 1 : line]
    if source and "\t" in source[0][: len(source[0]) - len(source[0].lstrip())]:
        return Invalid("is indented by a tab; YAML wants spaces", line=line)
    return Invalid(str(error.problem or error.context or "is not valid YAML"), line=line)
