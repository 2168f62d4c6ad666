"""The repository's shape: what setup.cfg lists is what there is, and nothing shadows the standard library."""

from __future__ import annotations

import ast
import configparser
import importlib.metadata
import platform
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("platform/serai/**/*.py"), *ROOT.glob("plugins/**/*.py")])
BIG_FILE, BIG_FUNCTION = 400, 60


def setup() -> configparser.ConfigParser:
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg")
    return config


def packages_on_disk() -> set[str]:
    roots = (ROOT / "platform", ROOT / "plugins")
    return {".".join(init.parent.relative_to(root).parts) for root in roots for init in root.glob("**/__init__.py")}


def test_every_package_is_listed() -> None:
    assert set(setup()["options"]["packages"].split()) == packages_on_disk()


def test_every_plugin_has_its_directory_listed() -> None:
    lines = [line.strip() for line in setup()["options"]["package_dir"].splitlines() if line.strip()]
    plugins = {name for name in packages_on_disk() if name != "serai" and "." not in name}
    assert set(lines) == {"= platform"} | {f"{name} = plugins/{name}" for name in plugins}


def test_platform_is_a_source_root_and_no_package() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists()
    assert not (ROOT / "tests" / "platform").exists()
    assert platform.python_version_tuple() == tuple(sys.version.split()[0].split("."))[:3]


def test_entry_points_are_installed() -> None:
    entry_points = importlib.metadata.entry_points(group="serai")
    assert {point.name for point in entry_points} >= {"local"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= BIG_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= BIG_FUNCTION, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), "the module has no docstring"
