"""What people change on the pages: with modules and, where that is promised, without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from serai.domain.deployment import Access, HandoverMode
from serai.domain.routes import Grant
from serai.domain.traffic import Rate
from serai.plugin import hookimpl
from tests.ui.browser import Watched, sign_in, watch
from tests.ui.conftest import enter
from tests.ui.stage import Stage

pytestmark = pytest.mark.browser


@pytest.fixture
def plain(stage: Stage, chromium: Browser) -> Iterator[Page]:
    """A signed-in page whose browser runs no scripts."""
    context = chromium.new_context(java_script_enabled=False)
    context.set_default_timeout(10_000)
    watched = watch(context.new_page())
    sign_in(context, stage.url, stage.token)
    yield watched.page
    context.close()


def intent(stage: Stage, name: str = "m"):  # type: ignore[no-untyped-def]
    return stage.core.cluster.view(name).deployment


def press(page: Page, button: str) -> None:
    """Send a form and wait for the page that answers it."""
    with page.expect_navigation():
        page.click(button)


def test_scale_stop_and_start_work_without_scripts(stage: Stage, plain: Page) -> None:
    stage.deploy("m")
    stage.tick()
    plain.goto(f"{stage.url}/d/m")
    plain.fill("#scale-count", "3")
    press(plain, "text=Scale")
    assert "number of replicas was changed" in plain.locator("#note").inner_text()
    assert intent(stage).settings.count == 3
    press(plain, "button:text-is('Stop')")
    assert intent(stage).active is None
    stage.tick()
    plain.reload()
    press(plain, "button:text-is('Start v1')")
    assert intent(stage).active == 1
    assert plain.url.startswith(f"{stage.url}/d/m/versions/1")


def test_the_whole_list_and_log_are_there_without_scripts(stage: Stage, plain: Page) -> None:
    stage.deploy("m")
    stage.tick()
    stage.say("m-v1", "hello from the model")
    plain.goto(stage.url)
    assert plain.locator("#row-m .state").inner_text() == "Running"
    plain.goto(f"{stage.url}/d/m/logs")
    assert "hello from the model" in plain.locator("#log").inner_text()
    assert not plain.locator("#theme").is_visible()


def test_a_new_deployment_of_an_image_without_scripts(stage: Stage, plain: Page) -> None:
    plain.goto(f"{stage.url}/new")
    plain.fill("#name", "m")
    plain.check("input[value=image]")
    plain.fill("#image", "registry/m:1")
    plain.fill("#manifest", "replicas: 2\nenv: {A: b}\n")
    press(plain, "text=Check whether it fits")
    assert "It fits now." in plain.locator("#fit").inner_text()
    press(plain, "button:text-is('Deploy')")
    assert plain.url.startswith(f"{stage.url}/d/m/versions/1")
    assert intent(stage).settings.count == 2


def test_roll_back_and_delete_a_version_by_its_name(stage: Stage, looked: Watched) -> None:
    for number in (1, 2):
        stage.deploy("m", image=f"registry/m:{number}")
        stage.tick()
    page = enter(looked, stage, "/d/m/versions")
    assert page.locator("#version-2 button:text-is('Delete…')").is_disabled()
    page.click("#version-1 >> text=Roll back")
    page.wait_for_url("**/versions/1")
    stage.tick()
    assert intent(stage).active == 1
    page.goto(f"{stage.url}/d/m/versions")
    page.click("#version-2 summary")
    page.fill("#version-2 input[name=confirm]", "m")
    page.click("text=Delete for good")
    assert page.url == f"{stage.url}/d/m/versions"  # the browser itself asks for the whole name
    page.fill("#version-2 input[name=confirm]", "m:2")
    press(page, "text=Delete for good")
    expect(page.locator("#version-2")).to_have_count(0)
    assert [v.version.number for v in stage.core.cluster.view("m").versions] == [1]


def test_what_may_not_be_deleted_says_why_until_it_may(stage: Stage, looked: Watched) -> None:
    stage.deploy("m")
    stage.tick()
    page = enter(looked, stage, "/d/m/settings")
    expect(page.locator(".setting >> text=v1 is Running. Stop it first.")).to_be_visible()
    press(page, ".setting >> text='Stop' >> nth=-1")
    stage.tick(6)
    page.goto(f"{stage.url}/d/m/settings")
    page.click("#delete summary")
    page.fill("#delete input[name=confirm]", "m")
    press(page, "text=Delete for good")
    expect(page.locator("#note")).to_have_text("The deployment was deleted.")
    assert stage.core.cluster.names() == []


def test_settings_are_saved_and_mistakes_shown_where_they_are(stage: Stage, looked: Watched) -> None:
    looked.expects = ("422",)
    stage.deploy("m")
    page = enter(looked, stage, "/d/m/settings")
    page.check("input[value=rolling]")
    press(page, "#set-handover >> text=Save")
    expect(page.locator("#note")).to_have_text("Saved.")
    assert intent(stage).settings.handover is HandoverMode.ROLLING
    page.fill("#timeouts-first_byte", "soon")
    press(page, "#set-timeouts >> text=Save")
    expect(page.locator("#set-timeouts .problem")).to_contain_text("'soon' is not a duration")
    assert page.locator("#timeouts-first_byte").input_value() == "soon"
    page.fill("#timeouts-first_byte", "2m")
    press(page, "#set-timeouts >> text=Save")
    expect(page.locator("#note")).to_have_text("Saved.")
    assert intent(stage).settings.timeouts.first_byte_s == 120
    stage.core.lifecycle.change("m", {"timeouts": {"idle": 91.5}}, "ann")
    page.reload()
    press(page, "#set-timeouts >> text=Save")
    expect(page.locator("#note")).to_have_text("Saved.")
    assert intent(stage).settings.timeouts.idle_s == 91.5  # what nobody touched stays exactly


def test_rates_and_the_header_for_keys(stage: Stage, looked: Watched) -> None:
    looked.expects = ("422",)
    stage.deploy("m")
    page = enter(looked, stage, "/d/m/settings")
    page.fill("#key_header", "X-Api-Key")
    press(page, "#set-access >> text=Save")
    expect(page.locator("#note")).to_have_text("Saved.")
    assert intent(stage).settings.key_header == "x-api-key"
    page.fill("#limits-per_key", "often")
    press(page, "#set-limits >> text=Save")
    expect(page.locator("#set-limits .problem")).to_contain_text("'often' is not a rate; write 100/s")
    page.fill("#limits-per_key", "100/s")
    page.fill("#limits-per_client", "600/min")
    press(page, "#set-limits >> text=Save")
    expect(page.locator("#note")).to_have_text("Saved.")
    limits = intent(stage).settings.limits
    assert (limits.per_key, limits.per_client) == (Rate(100), Rate(600, 60))
    press(page, "#set-limits >> text=Save")
    assert intent(stage).settings.limits == limits  # what nobody touched stays exactly
    page.fill("#key_header", "Cookie")
    press(page, "#set-access >> text=Save")
    expect(page.locator("#set-access .problem")).to_contain_text("has a meaning of its own")


def test_keys_are_offered_only_where_somebody_hands_them_out(stage: Stage, looked: Watched) -> None:
    stage.deploy("m")
    page = enter(looked, stage, "/d/m/settings")
    assert page.locator("input[value=keys]").is_disabled()
    assert "no enabled plugin hands them out" in page.locator("#no-keys").inner_text()


class OneKey:
    @hookimpl
    def serai_grants(self) -> list[Grant]:
        return []


def test_keys_can_be_asked_for_with_a_plugin(tmp_path_factory: pytest.TempPathFactory, looked: Watched) -> None:
    stage = Stage(tmp_path_factory.mktemp("keys"), plugins={"one-key": OneKey()})
    stage.open()
    try:
        stage.deploy("m")
        page = enter(looked, stage, "/d/m/settings")
        page.check("input[value=keys]")
        press(page, "#set-access >> text=Save")
        expect(page.locator("#note")).to_have_text("Saved.")
        assert intent(stage).settings.access is Access.KEYS
        page.goto("about:blank")
    finally:
        stage.shut()
        stage.close()
