"""Every page, light, dark and narrow: no complaint in the console, no axe violation, no sideways scrolling."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.ui.browser import Watched, picture, sign_in
from tests.ui.charts import charts_of
from tests.ui.scenes import TRACE_ID
from tests.ui.stage import Stage

pytestmark = pytest.mark.browser

PAGES = {
    "deployments": "/",
    "overview": "/d/digits",
    "overview-error": "/d/ocr",
    "overview-handover": "/d/chat-llm",
    "overview-waiting": "/d/whisper-large",
    "versions": "/d/digits/versions",
    "version": "/d/digits/versions/3",
    "version-preparing": "/d/chat-llm/versions/2",
    "metrics": "/d/digits/metrics",
    "metrics-gpus": "/d/chat-llm/metrics?from=30m&replicas=apart",
    "metrics-empty": "/d/whisper-large/metrics?from=6h",
    "logs": "/d/digits/logs",
    "test": "/d/digits/test",
    "settings": "/d/digits/settings",
    "new-deployment": "/new",
    "new-version": "/d/digits/new",
    "events": "/events",
    "capacity": "/capacity",
    "trace": f"/traces/{TRACE_ID}",
    "trace-empty": f"/traces/{32 * '0'}",
    "users": "/users",
    "account": "/account",
    "error": "/d/nothing-of-that-name",
}
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
EVERYTHING = {"type": "tag", "values": TAGS}
UNREAD = {"exclude": [[".chart-canvas svg"]]}  # one image with a name to whom it is read; axe cannot tell its colours
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}  # all that another theme changes
WIDE, NARROW = (1280, 900), (400, 860)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_sound(busy: Stage, looked: Watched, name: str) -> None:
    looked.expects = ("404 (NOT FOUND)",) if name == "error" else ()
    sign_in(looked.page.context, busy.url, busy.token)
    looked.page.goto(busy.url + PAGES[name])
    assert not find_problems(looked.page, name)


def test_signing_in_is_sound(busy: Stage, looked: Watched) -> None:
    looked.page.goto(busy.url + "/")
    assert not find_problems(looked.page, "sign-in")


def test_an_empty_server_teaches(stage: Stage, looked: Watched) -> None:
    sign_in(looked.page.context, stage.url, stage.token)
    looked.page.goto(stage.url)
    assert "serai deploy" in looked.page.locator("main").inner_text()
    assert not find_problems(looked.page, "empty")


@pytest.mark.parametrize("width", [360, 2560])
def test_no_width_scrolls_sideways(busy: Stage, looked: Watched, width: int) -> None:
    sign_in(looked.page.context, busy.url, busy.token)
    looked.page.set_viewport_size({"width": width, "height": 900})
    paths = (
        "/",
        "/d/ocr",
        "/d/digits/versions",
        "/d/chat-llm/versions/2",
        "/d/digits/metrics",
        "/d/digits/logs",
        "/d/digits/test",
        "/capacity",
        "/users",
        "/account",
    )
    for path in paths:
        looked.page.goto(busy.url + path)
        assert overflow(looked.page) <= 0, path


def find_problems(page: Page, name: str) -> str:
    """Look at a page in each dress; return what is wrong, in words."""
    settle(page)
    light = wear(page, name, "light", EVERYTHING)
    return light + wear(page, name, "dark", COLOURS) + narrow(page, name)


def wear(page: Page, name: str, scheme: str, rules: dict[str, object]) -> str:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    picture(page, f"{name}-{scheme}")
    # Only violations are listed: what axe says of all else it found is megabytes, and nobody reads it.
    found = Axe().run(page, context=UNREAD, options={"runOnly": rules, "resultTypes": ["violations"]})
    return f"{scheme}:\n{found.generate_report()}\n" if found.response["violations"] else ""


def narrow(page: Page, name: str) -> str:
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    picture(page, f"{name}-narrow")
    charts_of(page)  # those that axe had no need of, too
    return f"narrow: scrolls sideways by {overflow(page)} px\n" if overflow(page) > 0 else ""


def overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def settle(page: Page) -> None:
    """Wait for what modules bring in later: drawings of the list, lines of the log."""
    if page.locator("td[data-figure]").first.is_visible():
        page.wait_for_selector("td[data-figure] svg")
    if page.locator(".chart-canvas").count():
        page.locator(".chart-canvas .main-svg .xtick").first.wait_for()
    if page.locator("#log").count():
        page.wait_for_selector("#log .line", state="attached")
