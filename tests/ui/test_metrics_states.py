"""Every state of the charts in Chromium: what it shows is checked, and a picture of it kept for the documentation."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.ui.browser import Watched, sign_in, watch
from tests.ui.charts import charts_of, drag, find_area, hover, pose, ranges_of, see, values_of, visible_of
from tests.ui.conftest import enter
from tests.ui.stage import Stage
from tests.ui.traffic import Stretch
from tests.waiting import eventually

pytestmark = pytest.mark.browser

LOOK = "/d/digits/metrics"
REPLICAS = ["v3 3", "v3 4", "v3 5", "v2 2", "v1 1"]


def test_each_replica_for_itself(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, f"{LOOK}?replicas=apart")
    counts, together = values_of(page, "chart-count"), values_at(looked.page, busy, "/requests.csv")
    assert list(counts) == REPLICAS
    stacked = [sum(value or 0 for value in column) for column in zip(*counts.values(), strict=True)]
    assert stacked == together
    assert page.evaluate("document.getElementById('chart-count').layout.barmode") == "stack"
    assert list(values_of(page, "chart-time")) == REPLICAS
    assert page.locator("#figure-time h3").inner_text() == "Time, p95 of each replica"
    before = values_of(page, "chart-time")["v3 3"]
    page.select_option("select[name=measure]", "max")
    page.wait_for_url("**measure=max*")
    after = values_of(page, "chart-time")["v3 3"]
    assert all(one <= other for one, other in zip(before, after, strict=True) if one is not None and other is not None)
    assert before != after
    pose(page, "metrics-each")


def values_at(page: Page, stage: Stage, path: str) -> list[float]:
    """Return the counts of all status classes by interval, as the file has them."""
    rows = csv.DictReader(io.StringIO(page.request.get(stage.url + LOOK + path).text()))
    return [sum(float(value) for name, value in row.items() if name.startswith("Requests ")) for row in rows]


def test_one_replica_is_chosen_for_requests_and_system(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, LOOK)
    words = page.locator("select[name=replica] option").all_inner_texts()
    assert words[0] == "all"
    assert set(REPLICAS) <= set(words)
    page.select_option("select[name=replica]", label="v3 4")
    page.wait_for_url("**replica=digits-v3.4*")
    counted = sum(value or 0 for column in values_of(page, "chart-count").values() for value in column)
    assert page.locator("#totals dd").first.inner_text() == f"{counted:,.0f}"
    whole = enter(looked, busy, f"{LOOK}?replica=digits-v3.4&replicas=apart")
    assert list(values_of(whole, "chart-count")) == ["v3 4"]
    assert visible_of(whole, "chart-cpu") == ["v3 4 user", "v3 4 system"]


@pytest.mark.parametrize(("clock", "title"), [("first_byte", "until the first byte"), ("queue", "held and queued")])
def test_another_clock(busy: Stage, looked: Watched, clock: str, title: str) -> None:
    page = enter(looked, busy, LOOK)
    whole, average = values_of(page, "chart-time")["p95"], page.locator("#totals dd").nth(2).inner_text()
    page.select_option("select[name=clock]", clock)
    page.wait_for_url(f"**clock={clock}*")
    assert page.locator("#figure-time h3").inner_text() == f"Time {title}"
    part = values_of(page, "chart-time")["p95"]
    assert all(one < other for one, other in zip(part, whole, strict=True) if one is not None and other is not None)
    assert page.locator("#totals dd").nth(2).inner_text() != average


def test_a_pointer_over_one_chart_is_over_all(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, LOOK)
    charts = charts_of(page)
    hover(page, "chart-time", 0.8)
    for chart in charts:
        page.locator(f"#{chart} .hoverlayer .legend").wait_for()
    # The library follows a quick pointer a moment later.
    eventually(lambda: len({instant_of(page, chart) for chart in charts}) == 1, 10)
    pose(page, "metrics-hover", lambda: hover(page, "chart-time", 0.8), whole=False)


def instant_of(page: Page, chart: str) -> str:
    return page.locator(f"#{chart} .hoverlayer .legendtitletext").text_content() or ""


def test_a_zoomed_part_of_the_range(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, LOOK)
    charts_of(page)
    whole = ranges_of(page)
    drag(page, "chart-count", 0.5, 0.8)
    page.locator("#zoomed").wait_for()
    eventually(lambda: len(ranges_of(page)) == 1 and ranges_of(page) != whole, 10)
    pose(page, "metrics-zoomed")


def test_hidden_curves_stay_hidden_while_the_page_goes_on(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, LOOK)
    for name in ("avg", "p50", "p75", "p90"):
        page.locator("#legend-time button", has_text=name).click()
    page.locator("#legend-count button", has_text="2xx").click()
    assert visible_of(page, "chart-count") == ["4xx", "5xx"]
    page.evaluate("document.dispatchEvent(new CustomEvent('serai:fresh'))")
    page.emulate_media(color_scheme="dark")  # draws all anew
    assert visible_of(page, "chart-time") == ["p95", "p99"]
    assert visible_of(page, "chart-count") == ["4xx", "5xx"]
    assert page.locator("#legend-count button[aria-pressed=false]").all_inner_texts() == ["2xx"]
    pose(page, "metrics-hidden")


def test_gaps_are_gaps_in_the_lines(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, f"{LOOK}?from=1h&version=3")  # the stage's gap grows older while other tests run
    values = values_of(page, "chart-memory")["used"]
    known = [place for place, value in enumerate(values) if value is not None]
    assert len(known) < known[-1] - known[0] + 1
    assert page.evaluate("document.getElementById('chart-memory').data[0].connectgaps") is False
    assert "the lines have gaps there" in page.locator("#gaps").inner_text()
    pose(page, "metrics-gap")


def test_gpus_have_use_memory_temperature_and_power(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, "/d/chat-llm/metrics?from=30m&replicas=apart")
    charts = charts_of(page)
    assert charts[-4:] == ["chart-gpu", "chart-vram", "chart-heat", "chart-power"]
    assert len(values_of(page, "chart-gpu")) == len(values_of(page, "chart-heat")) > 1
    assert len(values_of(page, "chart-vram")) == 2 * len(values_of(page, "chart-gpu"))
    assert all(30 < value < 90 for column in values_of(page, "chart-heat").values() for value in column if value)
    assert (page.locator("#chart-power .ytick").last.text_content() or "").endswith(" W")
    pose(page, "metrics-gpus")


def test_two_versions_are_compared(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, LOOK)
    page.select_option("select[name=against]", label="v2")
    page.wait_for_url("**against=2*")
    charts = charts_of(page)
    assert {"chart-compared-count", "chart-compared-failed", "chart-compared-time"} <= set(charts)
    assert page.locator("#comparison-title").inner_text() == "v2 and v3"
    rows = page.locator("#comparison .plain-table").first.locator("tbody tr")
    words = {row.locator("th").inner_text(): row.locator("td").all_inner_texts() for row in rows.all()}
    counts = values_of(page, "chart-compared-count")
    assert words["requests"][:2] == [f"{sum(value or 0 for value in counts[name]):,.0f}" for name in ("v2", "v3")]
    assert words["p95"][2].startswith("−")  # v3 is the quicker one
    assert visible_of(page, "chart-compared-time") == ["v2", "v3"]
    assert len(ranges_of(page)) == 1
    page.locator("#comparison-table summary").click()
    assert page.locator("#comparison-table tbody tr").count() > 30
    assert (
        page.request.get(f"{busy.url}{LOOK}/comparison.csv?against=2").text().startswith("time,Requests v2 (requests)")
    )
    pose(page, "metrics-comparison")


def test_without_a_comparison_there_is_no_file_of_one(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, LOOK)
    answer = page.request.get(f"{busy.url}{LOOK}/comparison.csv")
    assert answer.status == 404
    assert "where two versions are compared" in answer.text()


def test_changes_lie_on_the_axis_where_they_happened(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, f"{LOOK}?from=1h")
    see(page, "chart-count")
    script = "document.getElementById('chart-count').layout.shapes.map((one) => Date.parse(one.x0))"
    marks = page.evaluate(script)
    assert max(marks) - min(marks) > 20 * 60 * 1000
    assert any("took over" in words for words in page.locator("#chart-count .annotation").all_text_contents())
    assert page.locator("section[aria-labelledby=changes-title] .event").count() == len(marks)
    pose(page, "metrics-marks", lambda: find_area(page, "chart-count"))


def test_new_requests_come_without_a_reload(stage: Stage, looked: Watched) -> None:
    stage.deploy("digits", replicas=1)
    stage.tick()
    page = enter(looked, stage, f"{LOOK}?from=15m")
    assert "No requests in this range" in page.locator("main").inner_text()
    page.evaluate("window.isTheSamePage = true")
    stage.measure("digits", 30, 0.02, stretches=(Stretch(1, "digits-v1.1", range(1, 12)),))
    expect(page.locator("#totals dd").first).not_to_have_text("0", timeout=25_000)
    counted = sum(value or 0 for value in values_of(page, "chart-count")["2xx"])
    stage.sample(10)
    stage.measure("digits", 30, 0.02, seed=2, stretches=(Stretch(1, "digits-v1.1", range(1)),))
    page.locator("#chart-cpu").wait_for(timeout=25_000)
    see(page, "chart-cpu")
    eventually(lambda: sum(v or 0 for v in values_of(page, "chart-count")["2xx"]) > counted, 25)
    assert page.evaluate("window.isTheSamePage")
    pose(page, "metrics-live")


@pytest.fixture
def elsewhere(chromium: Browser) -> Iterator[Watched]:
    """A page of somebody in another time zone than UTC."""
    context = chromium.new_context(
        viewport={"width": 1280, "height": 900}, reduced_motion="reduce", timezone_id="Asia/Kolkata"
    )
    context.set_default_timeout(20_000)
    watched = watch(context.new_page())
    yield watched
    context.close()
    watched.check()


def test_the_time_zone_is_said_and_typed_in(busy: Stage, elsewhere: Watched) -> None:
    page = elsewhere.page
    sign_in(page.context, busy.url, busy.token)
    page.goto(f"{busy.url}{LOOK}?from=2026-01-31T10:00:00Z&to=2026-01-31T12:00:00Z")
    zone = page.locator("#custom [data-zone]").first.inner_text()
    assert zone in {"Asia/Kolkata, UTC+5:30", "Asia/Calcutta, UTC+5:30"}
    assert zone in page.locator("#span").inner_text()
    assert page.locator("#custom [name=from]").input_value() == "2026-01-31T15:30"
    page.fill("#custom [name=to]", "2026-01-31T16:00")
    page.click("text=Show range")
    page.wait_for_url("**to=2026-01-31T10%3A30%3A00Z*")
    assert "from=2026-01-31T10%3A00%3A00Z" in page.url
    assert page.locator("#custom [name=to]").input_value() == "2026-01-31T16:00"
