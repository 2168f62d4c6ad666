"""The security model, sentence by sentence: a docstring of a test in this folder is a sentence of
docs/explanation/security-model.md."""

from __future__ import annotations

import ast
import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "explanation" / "security-model.md"


def sentences() -> list[str]:
    text = DOCUMENT.read_text(encoding="utf-8")
    return [
        " ".join(item.split()) for item in re.findall(r"^- (.*?)(?=\n- |\n\n|\n#|\Z)", text, re.MULTILINE | re.DOTALL)
    ]


def docstrings() -> list[str]:
    """Return what the tests of the folder say, this file's own aside."""
    files = [path for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__)]
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    return [
        " ".join((ast.get_docstring(node) or node.name).split())
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]


def test_every_sentence_is_a_test_and_every_test_a_sentence() -> None:
    assert sorted(docstrings()) == sorted(sentences())
    assert len(set(docstrings())) == len(docstrings()) > 50
