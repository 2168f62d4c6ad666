"""A real Chromium, and pages that fail their test when the console shows an error or the policy is violated."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

SCREENSHOTS = Path(__file__).parents[2] / "docs" / "screenshots"
# First the part of Chromium that has no windows to draw: it takes half the CPU of the whole.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--process-per-site",  # pages of one profile share what is compiled, and the next need not compile it again
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def running_chromium(path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watched:
    """A page and what went wrong on it. `expects` are texts of complaints that the test provokes on purpose."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    expects: tuple[str, ...] = ()

    def note_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")

    def check(self) -> None:
        unexpected = [c for c in self.complaints if not any(expected in c for expected in self.expects)]
        assert not unexpected, "\n".join(unexpected)


def watch(page: Page) -> Watched:
    watched = Watched(page)
    page.on("console", watched.note_console)
    page.on("pageerror", lambda error: watched.complaints.append(f"uncaught: {error}"))
    return watched


def sign_in(context: BrowserContext, url: str, token: str) -> None:
    """Sign a context in without showing the page."""
    answer = context.request.post(f"{url}/login", form={"token": token, "next": "/"})
    assert answer.ok, answer.text()


@contextmanager
def shared_profile(browser: Browser) -> Iterator[BrowserContext]:
    """Yield a profile that keeps what is compiled: the library of charts takes more than all else on its page.

    That is lost with the last page of a site, whatever its port; so there is one more, of nothing.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(20_000)
    kept = context.new_page()
    kept.route("**/*", lambda route: route.fulfill(body="", content_type="text/html"))
    kept.goto("http://127.0.0.1/")
    yield context
    context.close()


def clear_profile(context: BrowserContext) -> None:
    """Leave nothing that one test did to the next: its pages, its cookies, what it allowed and what pages stored."""
    kept, *pages = context.pages
    browser = context.new_cdp_session(kept)
    for page in pages:
        address = urlsplit(page.url)
        page.close()
        origin = {"origin": f"{address.scheme}://{address.netloc}", "storageTypes": "all"}
        browser.send("Storage.clearDataForOrigin", origin)
    browser.detach()
    context.clear_cookies()
    context.clear_permissions()


def is_picturing() -> bool:
    """Return whether screenshots for the documentation are asked for, by SERAI_SCREENSHOTS=1."""
    return os.environ.get("SERAI_SCREENSHOTS") == "1"


def picture(page: Page, name: str, *, whole: bool = True) -> None:
    """Keep a screenshot for the documentation, where it is asked for, in 256 colours: a third of the size.

    Not the `whole` page but what is in sight, where the pointer matters: the page is drawn anew for the other.
    """
    if is_picturing():
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        if whole:
            # Another theme is told with the next frame; what is only drawn where it is seen is drawn for printing.
            page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            page.evaluate("dispatchEvent(new Event('beforeprint'))")
        image = Image.open(io.BytesIO(page.screenshot(full_page=whole))).convert("RGB")
        few = image.quantize(256, dither=Image.Dither.NONE)
        few.save(SCREENSHOTS / f"{name}.png", optimize=True)
