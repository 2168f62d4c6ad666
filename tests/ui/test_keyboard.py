"""Without a mouse: rows, filter, help, going to pages, the theme, and the way from the top to the content."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.ui.browser import Watched
from tests.ui.conftest import enter
from tests.ui.stage import Stage

pytestmark = pytest.mark.browser


@pytest.fixture
def page(busy: Stage, looked: Watched) -> Page:
    return enter(looked, busy)


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.textContent.trim()"))


def test_rows_are_walked_with_j_k_and_arrows_and_opened_with_enter(page: Page) -> None:
    page.keyboard.press("j")
    assert focused(page) == "chat-llm"
    page.keyboard.press("ArrowDown")
    assert focused(page) == "digits"
    page.keyboard.press("k")
    page.keyboard.press("k")
    assert focused(page) == "chat-llm"
    page.keyboard.press("Enter")
    page.wait_for_url("**/d/chat-llm")


def test_the_filter_is_a_key_away_and_escape_clears_it(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("error")
    expect(page.locator("#deployments tbody tr:visible")).to_have_count(1)
    assert page.url.endswith("?q=error")
    page.keyboard.press("ArrowDown")
    assert focused(page) == "ocr"
    page.keyboard.press("/")
    page.keyboard.type("zzz")
    expect(page.locator("#nothing")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#deployments tbody tr:visible")).to_have_count(7)
    assert "q=" not in page.url


def test_the_filter_survives_an_update_and_a_reload(page: Page) -> None:
    page.fill("#filter", "digits")
    page.reload()
    assert page.locator("#filter").input_value() == "digits"
    expect(page.locator("#deployments tbody tr:visible")).to_have_count(1)


def test_columns_sort_there_and_back(page: Page) -> None:
    page.click("#deployments thead >> text=State")
    expect(page.locator("#deployments tbody th").first).to_have_text("ocr")
    page.click("#deployments thead >> text=State")
    expect(page.locator("#deployments tbody th").last).to_have_text("ocr")
    assert page.locator("[aria-sort=descending]").inner_text().startswith("State")


def test_help_opens_and_closes(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()


def test_g_and_a_letter_go_to_pages(page: Page, busy: Stage) -> None:
    page.goto(f"{busy.url}/d/digits")
    for key, path in (("l", "/d/digits/logs"), ("s", "/d/digits/settings"), ("v", "/d/digits/versions"), ("d", "/")):
        page.keyboard.press("g")
        page.keyboard.press(key)
        page.wait_for_url(f"{busy.url}{path}")


def test_typing_into_a_field_is_only_typing(page: Page, busy: Stage) -> None:
    page.goto(f"{busy.url}/d/digits/test")
    page.fill("#path", "")
    page.focus("#path")
    page.keyboard.type("/jk?g")
    assert page.locator("#path").input_value() == "/jk?g"
    expect(page.locator("#keys")).to_be_hidden()


def test_the_first_tab_leads_past_the_navigation(page: Page) -> None:
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_the_theme_is_switched_and_kept(page: Page) -> None:
    background = "getComputedStyle(document.documentElement).backgroundColor"
    before = page.evaluate(background)
    page.click("#theme")
    page.click("#theme")
    assert page.locator("#theme").inner_text().endswith("Dark")
    assert page.evaluate(background) != before
    page.reload()
    assert page.evaluate(background) != before
    page.click("#theme")
    assert page.evaluate(background) == before
