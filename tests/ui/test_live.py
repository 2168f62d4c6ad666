"""Pages follow the server by themselves, and leave alone what a reader is doing."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from serai.domain.observation import Phase
from serai.domain.reasons import make_reason
from serai.plugin.testing.fakes import Script
from tests.ui.browser import Watched
from tests.ui.conftest import enter
from tests.ui.showcase import at_phase
from tests.ui.stage import Stage

pytestmark = pytest.mark.browser


def test_states_change_without_a_reload(stage: Stage, looked: Watched) -> None:
    stage.scheduler.script("m-v1", Script(ready_after=None))
    page = enter(looked, stage)
    page.evaluate("window.isTheSamePage = true")
    stage.deploy("m")
    stage.tick(2)
    expect(page.locator("#row-m .state")).to_have_text("Preparing")
    stage.scheduler.script("m-v1", Script(ready_after=0))
    stage.tick()
    expect(page.locator("#row-m .state")).to_have_text("Running")
    assert page.evaluate("window.isTheSamePage")


def test_an_update_keeps_focus_typing_selection_scroll_and_elements(stage: Stage, looked: Watched) -> None:
    stage.deploy("m", replicas=2)
    stage.tick()
    page = enter(looked, stage, "/d/m")
    page.fill("#scale-count", "7")
    page.click("#hour-title")
    page.evaluate("""() => {
        document.querySelector("h1").isTheSame = true;
        getSelection().selectAllChildren(document.getElementById("endpoint"));
        document.body.style.minHeight = "4000px";
        scrollTo(0, 300);
    }""")
    page.focus("#scale-count")
    page.evaluate("() => { getSelection().selectAllChildren(document.getElementById('endpoint')); scrollTo(0, 300); }")
    stage.core.lifecycle.change("m", {"replicas": 3}, "grace")
    stage.tick()
    expect(page.locator(".heading .dots-text")).to_contain_text("3/3")
    expect(page.locator(".card")).to_have_count(3)
    assert page.locator("#scale-count").input_value() == "7"
    assert page.evaluate("document.querySelector('h1').isTheSame")
    assert page.evaluate("getSelection().toString().trim()") == f"{stage.gateway_url}/m/"
    assert page.evaluate("scrollY") == 300


def test_the_way_to_ready_is_told_step_by_step(stage: Stage, looked: Watched) -> None:
    stage.scheduler.dress("m-v1", at_phase(Phase.INSTALLING, make_reason("installing")))
    stage.deploy("m")
    stage.tick(2)
    page = enter(looked, stage, "/d/m/versions/1")
    expect(page.locator("#step-installing[aria-current=step]")).to_be_visible()
    expect(page.locator(".step-todo")).to_have_count(3)
    stage.say("m-v1", "installed 31 packages", "loading weights")
    expect(page.locator("#log .line")).to_have_count(2)
    stage.scheduler.dress("m-v1", at_phase(Phase.CHECKING))
    stage.tick(1)
    expect(page.locator("#step-checking[aria-current=step]")).to_be_visible()
    assert re.match(r"[\d.]+ m?s", page.locator("#step-installing .step-time").inner_text())
    assert not page.locator("#step-installing .step-time").inner_text().startswith("0 ms")
    stage.scheduler.dress("m-v1", lambda replica, place: replica)
    stage.tick(2)
    expect(page.locator("#step-ready.step-done")).to_be_visible()


def test_a_server_that_is_away_is_noticed_and_waited_for(stage: Stage, looked: Watched) -> None:
    looked.expects = ("ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET", "ERR_INCOMPLETE")
    stage.deploy("m")
    stage.tick()
    page = enter(looked, stage)
    expect(page.locator("#row-m .state")).to_have_text("Running")
    stage.shut()
    expect(page.locator("#away")).to_contain_text("Server away since", timeout=20_000)
    stage.deploy("n")
    stage.tick()
    stage.open()
    expect(page.locator("#row-n .state")).to_have_text("Running", timeout=20_000)
    expect(page.locator("#away")).to_have_text("")


def test_a_deployment_deleted_elsewhere_says_so(stage: Stage, looked: Watched) -> None:
    looked.expects = ("404",)
    stage.deploy("m")
    stage.tick()
    page = enter(looked, stage, "/d/m")
    stage.core.lifecycle.stop("m", None, "grace")
    stage.tick(6)
    stage.core.lifecycle.delete("m", "grace")
    stage.tick()
    expect(page.locator("main")).to_contain_text("there is no deployment")


def test_the_log_follows_searches_and_unwraps(stage: Stage, looked: Watched) -> None:
    stage.deploy("m", replicas=2)
    stage.tick()
    stage.say("m-v1", *(f"line {number}" for number in range(60)))
    page = enter(looked, stage, "/d/m/logs")
    expect(page.locator("#log .line")).to_have_count(60)
    stage.say("m-v1", "ERROR out of memory", place=1)
    expect(page.locator("#log .line-error .line-text")).to_have_text("ERROR out of memory")
    below = page.locator("#log").evaluate("box => box.scrollHeight - box.scrollTop - box.clientHeight")
    assert below < 30
    page.fill("#log-search", "/line 5\\d/")
    expect(page.locator("#log .line:visible")).to_have_count(10)
    page.fill("#log-search", "")
    page.evaluate("document.getElementById('log').scrollTop = 0")
    expect(page.locator("#log-follow")).not_to_be_checked()
    stage.say("m-v1", "one more")
    expect(page.locator("#log .line")).to_have_count(62)
    assert page.evaluate("document.getElementById('log').scrollTop") == 0
    page.select_option("select[name=replica]", index=2)
    page.wait_for_url("**replica=**")
    expect(page.locator("#log .line")).to_have_count(1)
    with page.expect_download() as download:
        page.click("text=Download")
    assert "ERROR out of memory" in download.value.path().read_text()
