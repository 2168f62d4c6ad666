"""Every hook is documented: a docstring, a section with its exact signature on a fresh page, a test named after it."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from serai.plugin import hookspecs
from serai.plugin.implementations import HOOKS
from serai.plugin.reference import FAMILIES, family_of, make_hooks_page, signature_of

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "hooks.md"


def test_hooks_are_few() -> None:
    assert len(HOOKS) == 14, "another only with a shipped plugin that uses it: change this number with it"


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == make_hooks_page(), "run docs/generate.py"


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_has_a_section_with_its_signature(hook: str) -> None:
    assert f"\n### `{signature_of(hook)}`\n" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_has_a_docstring_with_all_it_takes_and_gives(hook: str) -> None:
    function = getattr(hookspecs, hook)
    doc = inspect.getdoc(function) or ""
    assert family_of(hook) in FAMILIES, "it names its family"
    for name in inspect.signature(function).parameters:
        assert f":param {name}:" in doc
    if inspect.signature(function).return_annotation != "None":
        assert ":returns:" in doc


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_has_a_test_of_its_own(hook: str) -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert re.search(rf"^def test_{hook}_\w+\(", sources, re.MULTILINE), f"write a test named test_{hook}_..."


def test_the_core_needs_no_pytest() -> None:
    code = (
        "import sys, serai.plugin, serai.plugin.registry, serai.plugin.archive, serai.plugin.reference;"
        "import serai.plugin.testing.fakes; sys.exit('pytest' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
