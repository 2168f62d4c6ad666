"""The test page in a real browser, through the real gateway: methods, bodies, streaming, stopping, what is shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.ui.browser import Watched, picture
from tests.ui.conftest import enter
from tests.ui.model_server import PIXEL, ModelServer
from tests.ui.stage import Stage
from tests.waiting import eventually

pytestmark = pytest.mark.browser


@pytest.fixture
def console(looked: Watched, carried: Stage) -> Page:
    return enter(looked, carried, "/d/digits/test")


def send(page: Page, path: str, method: str = "GET") -> None:
    page.fill("#method", method)
    page.fill("#path", path)
    page.click("#send")


def ended(page: Page) -> str:
    """Wait for the end of the exchange and return what a screen reader is told."""
    expect(page.locator("#answer-said")).to_contain_text("bytes in")
    return page.locator("#answer-said").inner_text()


def echo(page: Page) -> dict[str, object]:
    """Return what the model says it was sent."""
    ended(page)
    return dict(json.loads(page.locator("#answer-body pre").last.text_content() or ""))


def test_a_get_shows_status_times_size_and_json_laid_out(console: Page) -> None:
    send(console, "/predict?x=1")
    assert ended(console).startswith("200 OK, ")
    line = console.locator("#answer-line").inner_text()
    assert re.search(r"first byte [\d.]+ m?s", line)
    assert re.search(r"total [\d.]+ m?s", line)
    assert "B" in line
    expect(console.locator("#answer-body .json-key").first).to_be_visible()
    assert echo(console)["path"] == "/predict?x=1"


def test_an_answer_leads_to_its_trace(console: Page) -> None:
    send(console, "/predict")
    trace_id = headers_of(echo(console))["traceparent"].split("-")[1]
    links = {link.inner_text(): link.get_attribute("href") for link in console.locator("#answer-line a").all()}
    assert links == {"Trace": f"/traces/{trace_id}", "Open in the tracer": f"https://tracer.example/{trace_id}"}
    with console.context.expect_page() as opened:
        console.click("#answer-line a >> text=Trace")
    expect(opened.value.locator("#trace-id")).to_have_text(trace_id)
    expect(opened.value.locator("main")).to_contain_text("No span of this trace is kept")


def headers_of(seen: dict[str, object]) -> dict[str, str]:
    """Return what the model saw, names in lower case: HAProxy writes them so."""
    return {name.lower(): value for name, value in dict(seen["headers"]).items()}  # type: ignore[call-overload]


def test_parameters_and_headers_reach_the_model_and_cookies_do_not(console: Page) -> None:
    rows = console.locator("#query .pair")
    rows.nth(0).locator(".pair-name").fill("größe")
    rows.nth(0).locator(".pair-value").fill("a b&c")
    console.locator("#headers .pair-name").first.fill("X-Mine")
    console.locator("#headers .pair-value").first.fill("42")
    send(console, "/p")
    seen = echo(console)
    assert seen["path"] == "/p?gr%C3%B6%C3%9Fe=a+b%26c"
    headers = headers_of(seen)
    assert headers["x-mine"] == "42"
    assert "cookie" not in headers
    assert not any("csrf" in name for name in headers)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PURGE"])
def test_any_method_goes_out(console: Page, method: str) -> None:
    send(console, "/", method.lower())
    assert echo(console)["method"] == method


def test_json_is_checked_and_sent(console: Page) -> None:
    choose_body(console, "json")
    console.fill("#json", '{"pixels": [1, }')
    expect(console.locator("#json-state")).to_contain_text("Not JSON")
    console.fill("#json", '{"pixels":[1,2]}')
    expect(console.locator("#json-state")).to_have_text("Valid JSON")
    console.click("#json-tidy")
    console.locator("#json").press("Control+Enter")
    seen = echo(console)
    assert seen["method"] == "POST"
    assert json.loads(str(seen["body"])) == {"pixels": [1, 2]}
    assert headers_of(seen)["content-type"] == "application/json"
    take_pictures(console, "test-json")


def test_forms_and_files_are_sent_byte_by_byte(console: Page, tmp_path: Path) -> None:
    picture = tmp_path / "seven.png"
    picture.write_bytes(PIXEL)
    choose_body(console, "multipart")
    row = console.locator("#multipart-fields .pair").first
    row.locator(".pair-name").fill("image")
    row.locator("select").select_option("file")
    row.locator("input[type=file]").set_input_files(picture)
    send(console, "/upload", "POST")
    seen = echo(console)
    assert headers_of(seen)["content-type"].startswith("multipart/form-data; boundary=")
    assert 'filename="seven.png"' in str(seen["body"])
    choose_body(console, "file")
    console.set_input_files("#file", picture)
    console.click("#send")
    expect(console.locator("#answer-body")).to_contain_text(f'"size": {len(PIXEL)}')
    choose_body(console, "form")
    console.locator("#form-fields .pair-name").first.fill("q")
    console.locator("#form-fields .pair-value").first.fill("a b")
    console.click("#send")
    expect(console.locator("#answer-body")).to_contain_text('"body": "q=a+b"')


def test_events_appear_one_a_line_as_they_come(console: Page, model: ModelServer) -> None:
    send(console, "/events")
    expect(console.locator("#answer-line")).to_contain_text("200 OK")
    for count in range(1, 4):
        model.next.release()
        expect(console.locator("#answer-body .sse")).to_have_count(count)
    assert console.locator("#stop").is_visible()
    for _ in range(3):
        model.next.release()
    ended(console)
    assert "camel" in console.locator("#answer-body .sse").nth(4).inner_text()
    take_pictures(console, "test-stream")
    expect(console.locator("#send")).to_be_visible()


def test_stop_ends_the_request_at_the_model_too(console: Page, model: ModelServer) -> None:
    model.left.clear()
    send(console, "/events")
    model.next.release()
    expect(console.locator("#answer-body .sse")).to_have_count(1)
    console.click("#stop")
    assert "stopped" in ended(console)

    def has_left() -> bool:
        model.next.release()  # it finds out by writing
        return model.left.wait(0.1)

    eventually(has_left, 15)
    while model.next.acquire(blocking=False):
        pass


def test_images_are_shown_and_bytes_are_dumped(console: Page) -> None:
    send(console, "/image")
    ended(console)
    image = console.locator("#answer-body img")
    expect(image).to_be_visible()
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 10
    send(console, "/bytes")
    expect(console.locator("#answer-body")).to_contain_text("0010  10 11 12")


def test_raw_headers_and_other_statuses(console: Page) -> None:
    send(console, "/teapot")
    assert ended(console).startswith("418")
    expect(console.locator(".answer-status.status-4")).to_be_visible()
    console.locator("input[name=view][value=headers]").check(force=True)
    expect(console.locator("#answer-headers")).to_contain_text("X-Model", ignore_case=True)
    console.locator("input[name=view][value=raw]").check(force=True)
    expect(console.locator("#answer-body pre").last).to_have_text("short and stout")


def test_history_keeps_requests_without_secrets(console: Page) -> None:
    console.locator("#headers .pair-name").first.fill("Authorization")
    console.locator("#headers .pair-value").first.fill("Bearer very-secret")
    send(console, "/kept", "POST")
    ended(console)
    assert "very-secret" not in console.evaluate("JSON.stringify(localStorage)")
    console.reload()
    console.click("#history summary")
    console.locator("#history-list button").first.click()
    assert console.locator("#path").input_value() == "/kept"
    assert console.locator("#method").input_value() == "POST"
    console.click("#history-clear")
    expect(console.locator("#history-list li")).to_have_count(0)


def test_copied_commands_run(console: Page, carried: Stage) -> None:
    console.context.grant_permissions(["clipboard-read", "clipboard-write"])
    choose_body(console, "json")
    console.fill("#json", """{"it's": "a \\"test\\""}""")
    console.fill("#path", "/p")
    console.click("#copy-curl")
    expect(console.locator("#copy-state")).to_have_text("Copied")
    curl = console.evaluate("navigator.clipboard.readText()")
    assert curl.startswith(f"curl -N -X POST {carried.gateway_url}/digits/p \\\n")
    assert """--data-binary '{"it'\\''s": "a \\"test\\""}'""" in curl
    console.click("#copy-python")
    python = console.evaluate("navigator.clipboard.readText()")
    compile(python, "copied", "exec")
    assert f'"{carried.gateway_url}/digits/p"' in python


def test_a_path_that_cannot_be_sent_says_so(console: Page, looked: Watched) -> None:
    looked.expects = ("422",)
    console.locator("#headers .pair-name").first.fill("no spaces allowed")
    send(console, "/")
    expect(console.locator("#ask-problem")).to_contain_text("cannot be sent")


def test_a_gateway_that_is_away_says_so(looked: Watched, busy: Stage) -> None:
    looked.expects = ("503",)
    page = enter(looked, busy, "/d/digits/test")
    send(page, "/")
    expect(page.locator("#ask-problem")).to_contain_text("does not answer")


def take_pictures(page: Page, name: str) -> None:
    picture(page, f"{name}-light")
    page.emulate_media(color_scheme="dark")
    picture(page, f"{name}-dark")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 400, "height": 860})
    picture(page, f"{name}-narrow")


def choose_body(page: Page, kind: str) -> None:
    page.locator(f"input[name=kind][value={kind}]").check(force=True)
