"""Constraints as people write them, `${node.class} = a100`, and as Nomad takes them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from serai.domain.errors import Invalid

# what people may write -> what Nomad calls it
_SYMBOLS = {"=": "=", "==": "=", "!=": "!=", ">=": ">=", "<=": "<=", ">": ">", "<": "<"}
_WORDS = {
    "is": "=", "not": "!=", "regexp": "regexp", "version": "version", "semver": "semver",
    "set_contains": "set_contains", "set_contains_all": "set_contains", "set_contains_any": "set_contains_any",
}  # fmt: skip
_UNARY = ("is_set", "is_not_set")
_DISTINCT = ("distinct_hosts", "distinct_property")
OPERANDS = (*_SYMBOLS, *_WORDS, *_UNARY, *_DISTINCT)

_SYMBOL = re.compile(r"(\$\{[^{}]+\}|[^\s=!<>]+)\s*(==|!=|>=|<=|=|>|<)\s*(.*)", re.DOTALL)
_WORD = re.compile(r"(\$\{[^{}]+\}|\S+)\s+([a-z_]+)(?:\s+(.*))?", re.DOTALL)
_TARGET = re.compile(r"\$\{[A-Za-z0-9_.:\-/]+\}")


@dataclass(frozen=True, slots=True)
class Constraint:
    """`target operand value`; `value` is "" for is_set and is_not_set, `target` "" for distinct_hosts."""

    target: str
    operand: str
    value: str

    def render(self) -> dict[str, str]:
        parts = {"LTarget": self.target, "Operand": self.operand, "RTarget": self.value}
        return {key: value for key, value in parts.items() if value}


def parse_constraint(text: str, field: str) -> Constraint:
    """Return the parts of `text`; raise Invalid naming it and what would do.

    >>> parse_constraint("${node.class} = a100", "placement.constraints[0]")
    Constraint(target='${node.class}', operand='=', value='a100')
    """
    written = text.strip()
    if written.partition(" ")[0] in _DISTINCT:
        return _parse_distinct(written, field)
    if match := _SYMBOL.fullmatch(written):
        return _check(Constraint(match[1], _SYMBOLS[match[2]], _unquote(match[3])), text, field)
    match = _WORD.fullmatch(written)
    if match and match[2] in _UNARY and not match[3]:
        return _check(Constraint(match[1], match[2], "-"), text, field, "")
    if match and match[2] in _WORDS:
        return _check(Constraint(match[1], _WORDS[match[2]], _unquote(match[3] or "")), text, field)
    if match and match[2] == "distinct_property":
        return _parse_distinct(f"distinct_property {match[1]} {match[3] or ''}", field)
    raise _refused(text, field)


def parse_affinity(text: str, field: str) -> Constraint:
    """Return the parts of a wish; Nomad knows no wish for is_set, is_not_set and the distinct ones."""
    constraint = parse_constraint(text, field)
    if constraint.operand in {*_UNARY, *_DISTINCT}:
        raise Invalid(f"{field}: {text!r} cannot be a wish; {constraint.operand} is for constraints only", field)
    return constraint


def parse_attribute(text: str, field: str) -> str:
    """Return an attribute such as `${meta.rack}`, as it is written."""
    if _TARGET.fullmatch(text.strip()):
        return text.strip()
    raise Invalid(f"{field}: {text!r} is not an attribute; write ${{node.unique.id}} or ${{meta.rack}}", field)


def _parse_distinct(text: str, field: str) -> Constraint:
    operand, _, rest = text.partition(" ")
    if operand == "distinct_hosts" and not rest.strip():
        return Constraint("", operand, "true")
    match = re.fullmatch(r"(\$\{[^{}]+\})\s*(?:=?\s*([1-9][0-9]*))?", rest.strip())
    if operand == "distinct_property" and match and _TARGET.fullmatch(match[1]):
        return Constraint(match[1], operand, match[2] or "")
    raise Invalid(
        f"{field}: {text.strip()!r} is not a constraint; write distinct_hosts, or distinct_property ${{meta.rack}},"
        " with a number behind it where that many may share a value",
        field,
    )


def _check(constraint: Constraint, text: str, field: str, value: str | None = None) -> Constraint:
    if not _TARGET.fullmatch(constraint.target):
        if re.match(r"(node|attr|meta|unique)\.", constraint.target):
            raise Invalid(f"{field}: {text!r} compares text with text; write ${{{constraint.target}}}", field)
        raise _refused(text, field)
    if not constraint.value:
        raise Invalid(f"{field}: {text!r} has nothing behind {constraint.operand}", field)
    return constraint if value is None else Constraint(constraint.target, constraint.operand, value)


def _unquote(value: str) -> str:
    value = value.strip()
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _refused(text: str, field: str) -> Invalid:
    return Invalid(
        f"{field}: {text!r} is not a constraint; write <target> <operator> <value>, such as ${{node.class}} = a100,"
        f" where the operator is one of {' '.join(OPERANDS)}",
        field,
    )
