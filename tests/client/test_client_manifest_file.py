"""serai.yaml: every mistake is named with its line; values mean what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.client.manifest_file import FILE_NAME, ManifestFile, load_manifest_file, read_manifest
from serai.domain.errors import Invalid

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)

MISTAKES = {
    "name: digits\n\n# comment\nreplcas: 2\n": "serai.yaml line 4: unknown key 'replcas'; did you mean 'replicas'?",
    "resources:\n  gpu:\n    cont: 1\n": ("serai.yaml line 3: unknown key 'resources.gpu.cont'; did you mean 'count'?"),
    "mounts:\n  - volume: a\n    path: /a\n  - volume: b\n    path: b\n": (
        "serai.yaml line 5: mounts[1].path: 'b' has to be a path that begins with / and holds no spaces"
    ),
    "replicas: many\n": "serai.yaml line 1: replicas: 'many' has to be a whole number from 0 to 10000",
    "env:\n  A: 1\n  PORT: 80\n": "serai.yaml line 3: env: PORT is set by Serai; choose another name",
    "name: a\nname: b\n": "serai.yaml line 2: 'name' stands here twice, first in line 1",
    "env:\n  A: 1\n  A: 2\n": "serai.yaml line 3: 'A' stands here twice, first in line 2",
    "name: a\n\tcommand: x\n": "serai.yaml line 2: is indented by a tab; YAML wants spaces",
    "- name: a\n": "serai.yaml line 1: has to hold keys and values, such as `name: digits`",
    "just text": "serai.yaml line 1: has to hold keys and values, such as `name: digits`",
    "": "serai.yaml is empty; write `command: ./start.sh` into it, or delete it",
    "# nothing\n---\n": "serai.yaml is empty; write `command: ./start.sh` into it, or delete it",
    "a: b: c\n": "serai.yaml line 1: mapping values are not allowed here",
    "env: {A: [}\n": "serai.yaml line 1: expected the node content, but found '}'",
    "a: 1\n---\nb: 2\n": "serai.yaml line 2: but found another document",
    "a: &a [*a]\n": ("serai.yaml line 1: is nested too deeply, or an alias (*name) stands inside of what it names"),
    BOMB: "serai.yaml line 1: holds more than 10,000 values, aliases (*name) counted in full",
    "[" * 1000: "serai.yaml is nested too deeply",
    "name: !!python/object/apply:os.system [id]\n": (
        "serai.yaml line 1: the tag 'tag:yaml.org,2002:python/object/apply:os.system' means nothing here"
    ),
    "name: !secret x\n": "serai.yaml line 1: the tag '!secret' means nothing here",
    "? [a]\n: b\n": "serai.yaml line 1: a key has to be a word",
    "name: a\nport: !!int x\n": "serai.yaml line 2: 'x' is not a number",
    "name: a\ncommand: \x07\n": "serai.yaml line 2: holds a character that text cannot hold (#x0007)",
    "name: '" + "x" * 300_000: "serai.yaml is longer than 256 KiB, which no manifest needs",
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.items(), ids=lambda value: repr(value)[:30])
def test_mistakes_are_named_with_their_line(text: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_manifest(text).parse("digits")
    assert caught.value.message == message


def test_values_are_yaml_1_2_and_env_is_taken_as_written() -> None:
    text = """
name: no
port: 8000
replicas: 0x10
command: 12:30
env: {A: 1.10, B: yes, C: 010, D: 2024-01-01, E: true, F: "q", G: ~}
secrets: {KEY: 0123}
resources: {cpu: 0.5, memory: 4GiB}
health: {tcp: true}
"""
    values = read_manifest(text).values
    assert values["name"] == "no"
    assert (values["port"], values["replicas"], values["command"]) == (8000, 16, "12:30")
    expected = {"A": "1.10", "B": "yes", "C": "010", "D": "2024-01-01", "E": "true", "F": "q", "G": "~"}
    assert values["env"] == expected
    assert values["secrets"] == {"KEY": "0123"}
    assert values["health"] == {"tcp": True}
    assert read_manifest(text).parse().spec.resources.memory_bytes == 4 * 2**30


def test_anchors_may_be_used() -> None:
    manifest = read_manifest("env: &e {A: x}\nsecrets: *e\n").parse("x")
    assert manifest.spec.env == {"A": "x"} == manifest.secrets


def test_a_server_s_complaint_is_given_its_line() -> None:
    manifest = read_manifest("name: a\nresources:\n  gpu: 2\n")
    located = manifest.locate(Invalid("no such GPU here", "resources.gpu.model", code="not-here"))
    assert (located.message, located.code) == ("serai.yaml line 3: no such GPU here", "not-here")
    assert manifest.locate(Invalid("no bundle", "bundle")).message == "no bundle"
    assert ManifestFile({}).locate(Invalid("x", "name")).message == "x"


def test_files(tmp_path: Path) -> None:
    assert load_manifest_file(tmp_path).values == {}
    (tmp_path / "serai.yml").write_text("name: a")
    with pytest.raises(Invalid, match=r"rename it to serai\.yaml"):
        load_manifest_file(tmp_path)
    path = tmp_path / FILE_NAME
    path.write_bytes(b"\xef\xbb\xbfname: a\r\nreplicas: 2\r\n")
    assert load_manifest_file(tmp_path).values == {"name": "a", "replicas": 2}
    path.write_bytes(b"name: \xff\n")
    with pytest.raises(Invalid, match="is not UTF-8 text"):
        load_manifest_file(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(Invalid, match="cannot be read"):
        load_manifest_file(tmp_path)


@given(st.text(alphabet=":-{}[]&*!|>'\"%@`#,? \n\tab1", max_size=60))
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    try:
        assert isinstance(read_manifest(text).values, dict)
    except Invalid as error:
        assert error.message.startswith("serai.yaml")
