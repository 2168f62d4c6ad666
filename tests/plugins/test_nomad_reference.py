"""The reference page of the Nomad plugin names every setting with its default, and nothing else."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from serai.domain.reasons import CATALOGUE
from serai_nomad import settings
from serai_nomad.settings import NomadSettings, Tls, load_settings

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "nomad.md").read_text(encoding="utf-8")
ROWS = {key: cell.strip() for key, cell in re.findall(r"^\| `(\w+)` \|([^|]*)\|", PAGE, re.MULTILINE)}
# What a default of the page is called otherwise in the settings.
SAID_IN_WORDS = {"address", "token", "token_file", "region", "tls", "template", "bundle_url", "instance"}


def test_every_key_is_there_and_no_other() -> None:
    assert set(ROWS) == {*settings._KEYS, *settings._TLS_KEYS}


def test_every_variable_of_the_environment_is_there() -> None:
    named = set(re.findall(r"`(NOMAD_\w+)`", PAGE))
    assert named == set(re.findall(r"NOMAD_\w+", load_settings.__doc__ or ""))


@pytest.mark.parametrize("key", sorted(set(settings._KEYS) - SAID_IN_WORDS))
def test_defaults_are_the_real_ones(key: str) -> None:
    text = ROWS[key].strip("`")
    written = load_settings({key: tomllib.loads(f"value = {text}")["value"]}, env={})
    assert written == NomadSettings(), f"{key} = {text} is not the default"


def test_the_rest_has_no_default() -> None:
    plain = {field.name: field.default for field in fields(NomadSettings)}
    assert not any(plain[key] for key in SAID_IN_WORDS & plain.keys() - {"tls"})
    assert Tls() == Tls("", "", "", "", True)


def test_the_example_can_be_read() -> None:
    example = tomllib.loads(PAGE.partition("```toml\n")[2].partition("```")[0])
    read = load_settings(example["plugin"]["nomad"], env={})
    assert (read.namespace, read.tls.ca_cert, len(read.addresses)) == ("serai", "/etc/serai/nomad-ca.pem", 2)


def test_the_how_to_speaks_of_reasons_and_files_that_exist() -> None:
    folder = Path(__file__).parents[2] / "docs" / "howto"
    page = (folder / "operate-nomad.md").read_text(encoding="utf-8")
    table = page.partition("## Troubleshooting")[2].partition("**No figures")[0]
    codes = {
        code for line in re.findall(r"^\| (`[^|]*)\|", table, re.MULTILINE) for code in re.findall(r"`([\w-]+)`", line)
    }
    assert len(codes) > 20
    assert codes <= CATALOGUE.keys(), codes - CATALOGUE.keys()
    included = re.findall(r"\{literalinclude\} (\S+)", page)
    assert len(included) == 3
    assert all((folder / name).is_file() for name in included)
