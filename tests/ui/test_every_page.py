"""Every page, light, dark and narrow: no complaint in the console, no axe violation, no sideways scrolling."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.ui.browser import Watched, sign_in
from tests.ui.stage import Stage

pytestmark = pytest.mark.browser

SCREENSHOTS = Path(__file__).parents[2] / "docs" / "screenshots"
PAGES = {
    "deployments": "/",
    "overview": "/d/digits",
    "overview-error": "/d/ocr",
    "overview-handover": "/d/chat-llm",
    "overview-waiting": "/d/whisper-large",
    "versions": "/d/digits/versions",
    "version": "/d/digits/versions/3",
    "version-preparing": "/d/chat-llm/versions/2",
    "logs": "/d/digits/logs",
    "test": "/d/digits/test",
    "settings": "/d/digits/settings",
    "new-deployment": "/new",
    "new-version": "/d/digits/new",
    "events": "/events",
    "capacity": "/capacity",
    "error": "/d/nothing-of-that-name",
}
LOOKS = {
    "light": {"scheme": "light", "width": 1280, "height": 900},
    "dark": {"scheme": "dark", "width": 1280, "height": 900},
    "narrow": {"scheme": "light", "width": 400, "height": 860},
}
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.mark.parametrize("look", LOOKS)
def test_pages_are_sound(looked: Watched, busy: Stage, look: str) -> None:
    page = looked.page
    looked.expects = ("404 (NOT FOUND)",)
    wear(page, look)
    sign_in(page.context, busy.url, busy.token)
    problems = []
    for name, path in PAGES.items():
        page.goto(busy.url + path)
        problems += find_problems(page, name, look)
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("look", LOOKS)
def test_signing_in_is_sound(looked: Watched, busy: Stage, look: str) -> None:
    wear(looked.page, look)
    looked.page.goto(busy.url + "/")
    assert not find_problems(looked.page, "sign-in", look)


@pytest.mark.parametrize("look", LOOKS)
def test_an_empty_server_teaches(stage: Stage, looked: Watched, look: str) -> None:
    wear(looked.page, look)
    sign_in(looked.page.context, stage.url, stage.token)
    looked.page.goto(stage.url)
    assert "serai deploy" in looked.page.locator("main").inner_text()
    assert not find_problems(looked.page, "empty", look)


def wear(page: Page, look: str) -> None:
    wanted = LOOKS[look]
    page.emulate_media(color_scheme=wanted["scheme"], reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size({"width": wanted["width"], "height": wanted["height"]})  # type: ignore[typeddict-item]


def find_problems(page: Page, name: str, look: str) -> list[str]:
    settle(page)
    picture(page, name, look)
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    sideways = [f"{name} ({look}) scrolls sideways by {overflow} px"] if overflow > 0 else []
    found = Axe().run(page, options=AXE)
    broken = [f"{name} ({look}):\n{found.generate_report()}"] if found.response["violations"] else []
    return sideways + broken


def settle(page: Page) -> None:
    """Wait for what modules bring in later: drawings of the list, lines of the log."""
    if page.locator("[data-figures]").first.is_visible():
        page.wait_for_selector("[data-figures] svg")
    if page.locator("#log").count():
        page.wait_for_selector("#log .line", state="attached")


def picture(page: Page, name: str, look: str) -> None:
    if os.environ.get("SERAI_SCREENSHOTS") == "1":
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}-{look}.png", full_page=True)
