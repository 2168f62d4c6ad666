"""Every code that the Nomad plugin can say was heard on a real Nomad, or it is said why not."""

from __future__ import annotations

import ast
from pathlib import Path

import serai_nomad
from serai.domain.reasons import CATALOGUE
from tests.live.sentences import load_file
from tests.test_docs import GENERATED

# In the plugin's text, but no reasons: a query of Nomad's API, and an error of Serai's own store.
NO_REASONS = {"stale", "bundle-missing"}


def codes_in(path: Path) -> set[str]:
    """Return the codes of the catalogue that stand in a module as texts of their own."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and node.value in CATALOGUE}


def test_every_code_was_heard() -> None:
    can_be_said = {code for path in Path(serai_nomad.__file__).parent.rglob("*.py") for code in codes_in(path)}
    heard = {said["code"] for said in load_file()["heard"].values()}
    assert can_be_said - NO_REASONS - heard == set(GENERATED.UNHEARD)
    assert heard <= set(CATALOGUE)


def test_sentences_are_for_people() -> None:
    for scenario, said in load_file()["heard"].items():
        assert said["text"][0].isupper() and said["text"].endswith("."), scenario
        texts = " ".join([said["text"], *said.get("log", ())])
        assert not [words for words in ("/tmp/", "rpc error", " dev-", " t-") if words in texts], scenario
