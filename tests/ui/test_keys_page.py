"""Keys on the pages: made and shown once, edited, rotated and revoked; with modules and without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from serai.domain.deployment import Access
from serai.plugin import Permission
from serai_apikey.plugin import ApiKeyPlugin
from tests.ui.browser import Watched, sign_in
from tests.ui.conftest import enter
from tests.ui.stage import Stage
from tests.ui.test_every_page import WIDE, find_problems

pytestmark = pytest.mark.browser


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path, plugins={"apikey": ApiKeyPlugin()})
    stage.open()
    stage.deploy("digits")
    stage.deploy("ocr")
    stage.composition.reconciler.tick()
    yield stage
    stage.shut()
    stage.close()


def press(page: Page, button: str) -> None:
    with page.expect_navigation():
        page.click(button)


def opened(stage: Stage, name: str) -> int:
    return len(stage.core.routes.route(name).grants)  # type: ignore[union-attr]


def test_the_life_of_a_key_on_the_pages(keyed: Stage, looked: Watched) -> None:
    for name in ("digits", "ocr"):
        keyed.core.lifecycle.change(name, {"access": "keys"}, "ada")
    page = enter(looked, keyed, "/d/digits/settings")
    assert keyed.core.cluster.view("digits").deployment.settings.access is Access.KEYS
    assert "no key that opens it" in page.locator("#set-keys").inner_text()
    press(page, "#set-keys >> text=New key for digits")
    page.fill("#new-key [name=name]", "phone app")
    page.select_option("#new-key [name=expires_in]", "90d")
    press(page, "#new-key >> text=Make the key")
    secret = page.locator("#secret").inner_text()
    assert secret.startswith("sk_") and len(secret) == 46 and secret not in page.url
    assert (opened(keyed, "digits"), opened(keyed, "ocr")) == (1, 0)
    press(page, "text=I have it")
    expect(page.locator("#keys-list h2")).to_have_text("phone app")
    assert secret not in page.content() and secret[:9] in page.content()
    assert not find_problems(page, "keys")
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    page.click("#keys-list >> text=Edit…")
    page.check("#keys-list [name=reach][value=owner]")
    press(page, "#keys-list >> text=Save")
    expect(page.locator("#keys-list")).to_contain_text("Opens all deployments of ada.")
    expect(page.locator("#keys-list")).to_contain_text("Ends 20")  # what nobody touched stays
    assert (opened(keyed, "digits"), opened(keyed, "ocr")) == (1, 1)
    page.click("#keys-list >> text=Rotate…")
    press(page, "#keys-list >> text=Make a new secret")
    assert page.locator("#secret").inner_text() != secret and opened(keyed, "digits") == 2
    page.goto(f"{keyed.url}/keys")
    expect(page.locator("#keys-list")).to_contain_text("from before it was rotated")
    prefix = page.locator("#keys-list .mono").first.inner_text().rstrip("…")
    page.click("#keys-list >> text=Revoke…")
    page.fill("#keys-list [name=confirm]", prefix)
    press(page, "#keys-list >> text=Delete for good")
    expect(page.locator("#note")).to_contain_text("was revoked")
    assert (opened(keyed, "digits"), opened(keyed, "ocr")) == (0, 0)
    page.goto(f"{keyed.url}/events")
    assert "key revoked phone app" in page.locator("main").inner_text()


def test_what_cannot_be_is_said_and_nothing_typed_is_lost(keyed: Stage, looked: Watched) -> None:
    page = enter(looked, keyed, "/keys")
    looked.expects = ("422",)
    page.fill("#new-key [name=name]", "new one")
    page.check("#new-key [name=reach][value=named]")
    press(page, "#new-key >> text=Make the key")
    assert "deployments" in page.locator(".problem").inner_text()
    assert page.locator("#new-key [name=name]").input_value() == "new one"
    assert page.locator("#new-key [name=reach][value=named]").is_checked()


def test_who_may_only_look_is_told_why_nothing_can_be_pressed(keyed: Stage, looked: Watched) -> None:
    sign_in(looked.page.context, keyed.url, keyed.make_token("ray", Permission.READ))
    looked.page.goto(f"{keyed.url}/keys")
    assert "lacks the right to write" in looked.page.locator("main").inner_text()
    assert looked.page.locator("#new-key").count() == 0
