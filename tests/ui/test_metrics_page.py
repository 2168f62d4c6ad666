"""The page of figures in Chromium: what is drawn, hovered, hidden, zoomed, chosen, and said where there is nothing."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from playwright.sync_api import FloatRect, Page

from serai.domain.quantity import parse_duration
from tests.ui.browser import Watched
from tests.ui.conftest import enter
from tests.ui.stage import Stage
from tests.waiting import eventually

pytestmark = pytest.mark.browser

LOOK = "/d/digits/metrics"


def charts_of(page: Page) -> list[str]:
    page.locator(".chart-canvas .main-svg .xtick").first.wait_for()
    return [str(id) for id in page.eval_on_selector_all(".js-plotly-plot", "all => all.map((one) => one.id)")]


def ranges_of(page: Page) -> set[str]:
    script = "all => all.map((one) => one.layout.xaxis.range.map((edge) => String(edge).slice(0, 16)).join())"
    return set(page.eval_on_selector_all(".js-plotly-plot", script))


def find_area(page: Page, chart: str) -> FloatRect:
    """Bring a chart into sight, where the pointer can reach it; return where its curves are."""
    area = page.locator(f"#{chart} .nsewdrag")
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box
    return box


def drag(page: Page, chart: str, start: float, end: float) -> None:
    box = find_area(page, chart)
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * start, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * end, y, steps=6)
    page.mouse.up()


def test_every_figure_is_drawn_and_the_totals_are_those_of_the_range(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, LOOK)
    assert charts_of(page) == ["chart-count", "chart-time", "chart-cpu", "chart-memory", "chart-share"]
    counted = page.evaluate("document.getElementById('chart-count').data[0].y.reduce((a, b) => a + b, 0)")
    assert page.locator("#totals dd").first.inner_text() == f"{counted:,}"
    assert page.locator("#totals dt").all_inner_texts() == ["requests", "avg", "max", "p50", "p75", "p90", "p95", "p99"]
    totals, title = page.locator("#totals").bounding_box(), page.locator("#requests-title").bounding_box()
    assert totals
    assert title
    assert totals["x"] > title["x"] + title["width"]


def test_gaps_stay_gaps_and_are_told(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, LOOK)
    charts_of(page)
    values = page.evaluate("document.getElementById('chart-cpu').data[0].y")
    assert None in values[10:-10]
    assert 0 not in values
    assert "Nothing was measured in" in page.locator("#gaps").inner_text()


def test_hovering_shows_all_values_of_an_instant_on_all_charts(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, LOOK)
    charts = charts_of(page)
    box = find_area(page, "chart-time")
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 40, steps=3)
    for chart in charts:
        page.locator(f"#{chart} .hoverlayer .legend").wait_for()
    words = page.locator("#chart-time .hoverlayer").text_content() or ""
    assert all(name in words for name in ("avg", "p50", "p75", "p90", "p95", "p99"))
    assert "max" not in words  # hidden at first
    page.mouse.move(5, 5)
    page.locator("#chart-cpu .hoverlayer .legend").wait_for(state="detached")


def test_a_legend_hides_and_shows(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, LOOK)
    charts_of(page)
    names = "document.getElementById('chart-time').data.filter((one) => one.visible).map((one) => one.name).join()"
    assert page.evaluate(names) == "avg,p50,p75,p90,p95,p99"
    page.locator("#legend-time button", has_text="max").press("Enter")
    page.locator("#legend-time button", has_text="p50").click()
    assert page.evaluate(names) == "avg,max,p75,p90,p95,p99"
    assert page.locator("#legend-time button", has_text="p50").get_attribute("aria-pressed") == "false"


def test_dragging_zooms_all_charts_and_a_double_click_shows_all_again(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, LOOK)
    charts_of(page)
    whole = ranges_of(page)
    assert len(whole) == 1
    drag(page, "chart-cpu", 0.25, 0.5)
    page.locator("#zoomed").wait_for()
    eventually(lambda: len(ranges_of(page)) == 1 and ranges_of(page) != whole, 10)
    page.locator("#chart-memory .nsewdrag").dblclick()
    page.locator("#zoomed").wait_for(state="hidden")
    assert ranges_of(page) == whole
    drag(page, "chart-count", 0.25, 0.5)
    page.locator("#zoomed").click()
    page.wait_for_url("**from=20*to=20*")
    charts_of(page)
    assert ranges_of(page) != whole


@pytest.mark.parametrize("preset", ["15m", "6h", "30d"])
def test_a_preset_is_an_address(busy: Stage, looked: Watched, preset: str) -> None:
    page = enter(looked, busy, LOOK)
    page.locator(".presets a", has_text=preset).first.click()
    page.wait_for_url(f"**from={preset}*")
    assert page.locator(".presets [aria-current]").inner_text() == preset
    assert charts_of(page)
    span = "(({ from, to }) => (Date.parse(to) - Date.parse(from)) / 1000)"
    length_s = page.evaluate(f"{span}(JSON.parse(document.getElementById('figures-data').textContent))")
    assert length_s == pytest.approx(parse_duration(preset, "from"), abs=2)


def test_replicas_apart_and_another_interval(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, LOOK)
    page.select_option("select[name=replicas]", "apart")
    page.wait_for_url("**replicas=apart*")
    page.select_option("select[name=interval]", "5m")
    page.wait_for_url("**interval=5m*")
    charts_of(page)
    names = page.locator("#legend-cpu button").all_inner_texts()
    assert len(names) == 9
    assert sum(name.endswith("user") for name in names) == 3
    assert page.evaluate("document.getElementById('chart-count').data[0].x.length") == 13


def test_the_table_and_the_file_hold_what_is_drawn(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, LOOK)
    charts_of(page)
    page.locator("#requests-table summary").click()
    heads = page.locator("#requests-table thead th").all_inner_texts()
    assert heads[:3] == ["From", "Requests requests", "Time avg"]
    drawn = page.evaluate("document.getElementById('chart-count').data[0].y")
    first = page.locator("#requests-table tbody tr").first.locator("td").first.inner_text()
    assert first == f"{next(value for value in reversed(drawn) if value):,}"
    rows = load_csv(page, busy, "/d/digits/metrics/requests.csv?from=1h")
    assert sum(float(row["Requests requests (requests)"]) for row in rows) == sum(drawn)
    rows = load_csv(page, busy, "/d/digits/metrics/system.csv?from=1h")
    assert "" in {row["CPU user (cores)"] for row in rows}
    assert "0" not in {row["CPU user (cores)"] for row in rows}


def load_csv(page: Page, stage: Stage, path: str) -> list[dict[str, Any]]:
    answer = page.request.get(stage.url + path)
    assert answer.ok
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.text())))


def test_changes_are_marked(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, LOOK)
    charts_of(page)
    assert page.evaluate("document.getElementById('chart-cpu').layout.shapes.length") == 9
    assert page.locator("#chart-count .annotation").count() >= 1
    assert "scaled 1 → 3" in page.locator("section[aria-labelledby=changes-title]").inner_text()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("from=2026-01-01T00:00&to=2026-01-01T01:00", "No requests in this range"),
        ("version=1&status=5xx", "that fit the choice above"),
        ("from=2026-01-02T00:00&to=2026-01-01T00:00", "before it starts"),
        ("from=tomorrow", "This is the last hour."),
        ("from=30d&interval=1m", "too many to draw"),
    ],
)
def test_what_is_not_there_is_said_in_words(busy: Stage, looked: Watched, query: str, words: str) -> None:
    page = enter(looked, busy, f"{LOOK}?{query}")
    assert words in page.locator("main").inner_text()


def test_without_scripts_there_is_a_table(busy: Stage, looked: Watched) -> None:
    enter(looked, busy, "/")
    context = looked.page.context.browser.new_context(  # type: ignore[union-attr]
        java_script_enabled=False, storage_state=looked.page.context.storage_state()
    )
    try:
        page = context.new_page()
        page.goto(busy.url + LOOK)
        page.locator("#system-table summary").click()
        assert page.locator("#system-table tbody tr").count() > 40
        assert not page.locator(".chart-canvas").first.is_visible()
    finally:
        context.close()
