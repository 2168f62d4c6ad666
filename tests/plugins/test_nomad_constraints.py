"""Constraints in words: what each form becomes, and how a bad one is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.domain.errors import Invalid
from serai_nomad.job.constraints import Constraint, parse_affinity, parse_attribute, parse_constraint

CLASS, RACK = "${node.class}", "${meta.rack}"
READ = [
    ("${node.class} = a100", (CLASS, "=", "a100")),
    ("${node.class}=a100", (CLASS, "=", "a100")),
    ("  ${node.class}  ==  a100 ", (CLASS, "=", "a100")),
    ('${node.class} = "big one"', (CLASS, "=", "big one")),
    ("${node.class} is a100", (CLASS, "=", "a100")),
    ("${node.class} != a100", (CLASS, "!=", "a100")),
    ("${node.class} not a100", (CLASS, "!=", "a100")),
    ("${attr.cpu.numcores} >= 8", ("${attr.cpu.numcores}", ">=", "8")),
    ("${attr.cpu.numcores} > 8", ("${attr.cpu.numcores}", ">", "8")),
    ("${attr.cpu.numcores} <= 8", ("${attr.cpu.numcores}", "<=", "8")),
    ("${attr.cpu.numcores} < 8", ("${attr.cpu.numcores}", "<", "8")),
    ("${node.class} regexp a1.0|h100=x", (CLASS, "regexp", "a1.0|h100=x")),
    ("${attr.kernel.version} version >= 5, < 6", ("${attr.kernel.version}", "version", ">= 5, < 6")),
    ("${attr.nomad.version} semver >= 1.10.0", ("${attr.nomad.version}", "semver", ">= 1.10.0")),
    ("${meta.tags} set_contains a,b", ("${meta.tags}", "set_contains", "a,b")),
    ("${meta.tags} set_contains_all a,b", ("${meta.tags}", "set_contains", "a,b")),
    ("${meta.tags} set_contains_any a,b", ("${meta.tags}", "set_contains_any", "a,b")),
    ("${meta.rack} is_set", (RACK, "is_set", "")),
    ("${meta.rack} is_not_set", (RACK, "is_not_set", "")),
    ("distinct_hosts", ("", "distinct_hosts", "true")),
    ("distinct_property ${meta.rack}", (RACK, "distinct_property", "")),
    ("distinct_property ${meta.rack} = 2", (RACK, "distinct_property", "2")),
    ("${meta.rack} distinct_property 2", (RACK, "distinct_property", "2")),
]
REFUSED = [
    ("", "<target> <operator> <value>"),
    ("a100", "<target> <operator> <value>"),
    ("${node.class}", "<target> <operator> <value>"),
    ("${node.class} =", "nothing behind ="),
    ("${node.class} regexp", "nothing behind regexp"),
    ("${node.class} like a100", "one of = == !="),
    ("${node.class} is_set yes", "<target> <operator> <value>"),
    ("node.class = a100", "write ${node.class}"),
    ("a100 = ${node.class}", "<target> <operator> <value>"),
    ("${node.class} ${x} = a", "<target> <operator> <value>"),
    ("distinct_hosts = maybe", "write distinct_hosts"),
    ("distinct_property", "distinct_property ${meta.rack}"),
    ("distinct_property rack", "distinct_property ${meta.rack}"),
]


@pytest.mark.parametrize(("text", "parts"), READ)
def test_a_constraint_is_read(text: str, parts: tuple[str, str, str]) -> None:
    assert parse_constraint(text, "c") == Constraint(*parts)


@pytest.mark.parametrize(("text", "part"), REFUSED)
def test_a_bad_one_is_refused_with_the_way_out(text: str, part: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_constraint(text, "placement.constraints[3]")
    assert caught.value.field == "placement.constraints[3]"
    assert part in caught.value.message
    assert repr(text) in caught.value.message


@pytest.mark.parametrize("text", ["distinct_hosts", "${meta.rack} is_set", "distinct_property ${meta.rack}"])
def test_what_is_no_wish(text: str) -> None:
    with pytest.raises(Invalid, match="for constraints only"):
        parse_affinity(text, "a")


def test_attributes() -> None:
    assert parse_attribute(" ${node.unique.id} ", "s") == "${node.unique.id}"
    for text in ("rack", "${a} ${b}", "", "${a b}"):
        with pytest.raises(Invalid, match="not an attribute"):
            parse_attribute(text, "s")


@given(st.text(max_size=40) | st.text("${}nodeclas. =!<>", max_size=30))
def test_no_text_raises_anything_but_invalid(text: str) -> None:
    try:
        constraint = parse_constraint(text, "c")
    except Invalid:
        return
    assert constraint.operand
    assert set(constraint.render()) <= {"LTarget", "Operand", "RTarget"}
