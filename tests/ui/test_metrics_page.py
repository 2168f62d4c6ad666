"""The page of figures in Chromium: what is drawn, hovered, hidden, zoomed, chosen, and said where there is nothing."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from playwright.sync_api import Page

from serai.domain.quantity import parse_duration
from tests.ui.browser import Watched
from tests.ui.charts import charts_of, drag, find_area, ranges_of, see, values_of, visible_of
from tests.ui.conftest import enter
from tests.ui.stage import Stage
from tests.waiting import eventually

pytestmark = pytest.mark.browser

LOOK = "/d/digits/metrics"


def test_every_figure_is_drawn_and_the_totals_are_those_of_the_range(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, LOOK)
    requests, system = ["chart-count", "chart-time", "chart-size"], ["chart-cpu", "chart-memory", "chart-share"]
    assert charts_of(page) == requests + system
    by_status = values_of(page, "chart-count")
    assert set(by_status) == {"2xx", "4xx", "5xx"}
    assert page.locator("#totals dd").first.inner_text() == f"{sum_of(by_status):,.0f}"
    names = page.locator("#totals dt").all_inner_texts()
    times = ["avg", "max", "p50", "p75", "p90", "p95", "p99"]
    assert names == ["requests", "failed", *times, "received", "sent"]
    assert page.locator("#totals dd").nth(1).inner_text().startswith(f"{sum_of({'5xx': by_status['5xx']}):.0f} (")
    totals, title = page.locator("#totals").bounding_box(), page.locator("#requests-title").bounding_box()
    assert totals
    assert title
    assert totals["x"] > title["x"] + title["width"]


def sum_of(values: dict[str, list[float | None]]) -> float:
    return sum(value or 0 for column in values.values() for value in column)


def test_a_chart_is_drawn_when_it_comes_near_and_for_printing(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, LOOK)
    see(page, "chart-count")
    assert page.locator(".js-plotly-plot").count() < page.locator(".chart-canvas").count()
    assert page.locator("#legend-share button").count() > 0
    page.locator("#legend-share button").first.dispatch_event("click")  # hidden before it is drawn
    assert page.locator("#chart-share .main-svg").count() == 0
    page.pdf()
    assert page.locator(".js-plotly-plot").count() == page.locator(".chart-canvas").count()
    assert len(visible_of(page, "chart-share")) == page.locator("#legend-share button").count() - 1


def test_gaps_stay_gaps_and_are_told(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, LOOK)
    values = values_of(page, "chart-cpu")["user"]
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
    assert visible_of(page, "chart-time") == ["avg", "p50", "p75", "p90", "p95", "p99"]
    page.locator("#legend-time button", has_text="max").press("Enter")
    page.locator("#legend-time button", has_text="p50").click()
    assert visible_of(page, "chart-time") == ["avg", "max", "p75", "p90", "p95", "p99"]
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
    see(page, "chart-count")
    assert ranges_of(page) != whole


def test_a_preset_is_an_address(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, LOOK)
    span = "(({ from, to }) => (Date.parse(to) - Date.parse(from)) / 1000)"
    for preset in ("15m", "6h", "30d"):
        page.locator(".presets a", has_text=preset).first.click()
        page.wait_for_url(f"**from={preset}*")
        assert page.locator(".presets [aria-current]").inner_text() == preset
        see(page, "chart-count")
        length_s = page.evaluate(f"{span}(JSON.parse(document.getElementById('figures-data').textContent))")
        assert length_s == pytest.approx(parse_duration(preset, "from"), abs=2)


def test_replicas_apart_and_another_interval(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, LOOK)
    page.select_option("select[name=replicas]", "apart")
    page.wait_for_url("**replicas=apart*")
    page.select_option("select[name=interval]", "5m")
    page.wait_for_url("**interval=5m*")
    see(page, "chart-cpu")
    names = page.locator("#legend-cpu button").all_inner_texts()
    assert len(names) == 9
    assert sum(name.endswith("user") for name in names) == 3
    assert len(values_of(page, "chart-count")["v3 3"]) == 13


def test_the_table_and_the_file_hold_what_is_drawn(busy: Stage, looked: Watched) -> None:
    page = enter(looked, busy, LOOK)
    page.locator("#requests-table summary").click()
    heads = page.locator("#requests-table thead th").all_inner_texts()
    assert heads[:5] == ["From", "Requests 2xx", "Requests 4xx", "Requests 5xx", "Time avg"]
    drawn = values_of(page, "chart-count")["2xx"]
    first = page.locator("#requests-table tbody tr").first.locator("td").first.inner_text()
    assert first == f"{next(value for value in reversed(drawn) if value):,.0f}"
    rows = load_csv(page, busy, "/d/digits/metrics/requests.csv?from=1h")
    assert sum(float(row["Requests 2xx (requests)"]) for row in rows) == sum_of({"2xx": drawn})
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
    see(page, "chart-cpu")
    assert page.evaluate("document.getElementById('chart-cpu').layout.shapes.length") == 9
    see(page, "chart-count")
    assert page.locator("#chart-count .annotation").count() >= 1
    assert "scaled 1 → 3" in page.locator("section[aria-labelledby=changes-title]").inner_text()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("from=2026-01-01T00:00&to=2026-01-01T01:00", "No requests in this range"),
        ("version=1&status=5xx", "that fit the choice above"),
        ("replica=nobody", "Nothing was measured in this range that fits the choice above"),
        ("against=3", "cannot be compared with itself"),
        ("version=77&against=78", "Neither got a request"),
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
