"""The documentation is fresh and whole: generated pages, links, and what CONTRIBUTING and README name."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(p for p in (ROOT / "docs").rglob("*.md") if "_build" not in p.parts)])
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATED = generator()


@pytest.mark.parametrize("name", sorted(GENERATED.PAGES))
def test_a_generated_page_is_fresh(name: str) -> None:
    committed = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert committed == GENERATED.PAGES[name](), f"docs/reference/{name} is old: make reference"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        path = page.parent / target
        assert path.exists() or path.with_suffix(".md").exists(), f"{target} does not exist"


def test_every_key_of_the_manifest_is_documented() -> None:
    from serai.domain.manifest import MANIFEST_KEYS

    page = (ROOT / "docs" / "reference" / "manifest.md").read_text(encoding="utf-8")
    missing = [key for key in MANIFEST_KEYS if f"`{key}" not in page and key != "bundle"]
    assert missing == []


def test_every_reason_that_is_said_is_in_the_catalogue_and_the_other_way_round() -> None:
    from serai.domain.observation import Phase
    from serai.domain.reasons import CATALOGUE

    sources = [*(ROOT / "platform" / "serai").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
    text = "\n".join(p.read_text(encoding="utf-8") for p in sources if p.name != "reasons.py")
    unused = [code for code in CATALOGUE if f'"{code}"' not in text and code not in {p.value for p in Phase}]
    assert unused == []
