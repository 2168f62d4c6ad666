"""What the page of figures shows in Chromium, read and moved as a person would."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import FloatRect, Page

from tests.ui.browser import is_picturing, picture

WIDE, NARROW = (1280, 900), (400, 860)


def charts_of(page: Page) -> list[str]:
    """Bring each chart into sight, where it is drawn; return their ids."""
    charts = [str(id) for id in page.eval_on_selector_all(".chart-canvas", "all => all.map((one) => one.id)")]
    for chart in charts:
        see(page, chart)
    return charts


def see(page: Page, chart: str) -> None:
    """Bring a chart into sight and wait until it is drawn."""
    page.locator(f"#{chart}").scroll_into_view_if_needed()
    page.locator(f"#{chart} .main-svg .xtick").first.wait_for()


def ranges_of(page: Page) -> set[str]:
    script = "all => all.map((one) => one.layout.xaxis.range.map((edge) => String(edge).slice(0, 16)).join())"
    return set(page.eval_on_selector_all(".js-plotly-plot", script))


def values_of(page: Page, chart: str) -> dict[str, list[float | None]]:
    """Return the values that a chart draws by the name of each curve."""
    see(page, chart)
    script = "(id) => Object.fromEntries(document.getElementById(id).data.map((one) => [one.name, one.y]))"
    found: dict[str, list[float | None]] = page.evaluate(script, chart)
    return found


def visible_of(page: Page, chart: str) -> list[str]:
    see(page, chart)
    script = "(id) => document.getElementById(id).data.filter((one) => one.visible).map((one) => one.name)"
    found: list[str] = page.evaluate(script, chart)
    return found


def find_area(page: Page, chart: str) -> FloatRect:
    """Bring a chart into sight, where the pointer can reach it; return where its curves are."""
    see(page, chart)
    area = page.locator(f"#{chart} .nsewdrag")
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box
    return box


def hover(page: Page, chart: str, part: float) -> None:
    """Put the pointer over an instant of a chart, which is that part of its width from the left."""
    box = find_area(page, chart)
    page.mouse.move(box["x"] + box["width"] * part - 30, box["y"] + 60)
    page.mouse.move(box["x"] + box["width"] * part, box["y"] + 40, steps=3)
    page.locator(f"#{chart} .hoverlayer .legend").wait_for()


def drag(page: Page, chart: str, start: float, end: float) -> None:
    box = find_area(page, chart)
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * start, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * end, y, steps=6)
    page.mouse.up()


def pose(page: Page, name: str, act: Callable[[], object] = lambda: None, *, whole: bool = True) -> None:
    """Keep pictures of a state in each dress, where they are asked for; `act` brings it about again in each."""
    if not is_picturing():
        return
    dresses = {"light": ("light", WIDE), "dark": ("dark", WIDE), "narrow": ("light", NARROW)}
    for dress, (scheme, (width, height)) in dresses.items():
        page.mouse.move(2, 2)
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": height})
        charts_of(page)
        page.wait_for_timeout(600)  # the charts are drawn again for another width a moment later
        act()
        picture(page, f"{name}-{dress}", whole=whole)
