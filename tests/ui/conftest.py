"""One Chromium and one busy stage for all tests that only look; a fresh stage for each test that changes things."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.ui.browser import Watched, clear_profile, find_chromium, running_chromium, shared_profile, sign_in, watch
from tests.ui.model_server import ModelServer, running_model
from tests.ui.scenes import set_scenes
from tests.ui.stage import Stage


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip("Chromium is not installed: the pages were not tried in a browser")
    with running_chromium(path) as browser:
        yield browser


@pytest.fixture(scope="session")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage full of deployments in every state. Tests that use it change nothing."""
    stage = Stage(tmp_path_factory.mktemp("busy"))
    set_scenes(stage)
    stage.open()
    yield stage
    stage.shut()
    stage.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An empty stage, for tests that deploy, change and stop."""
    stage = Stage(tmp_path)
    stage.open()
    yield stage
    if stage.listener.fileno() >= 0:
        stage.shut()
    stage.close()


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Stage]:
    """A stage without a socket: these tests talk to the application itself."""
    stage = Stage(tmp_path)
    stage.listener.close()
    yield stage
    stage.close()


@pytest.fixture(scope="session")
def model() -> Iterator[ModelServer]:
    with running_model() as server:
        yield server


@pytest.fixture(scope="session")
def carried(tmp_path_factory: pytest.TempPathFactory, model: ModelServer) -> Iterator[Stage]:
    """A stage with one deployment whose replicas are the model, and the real gateway in front."""
    stage = Stage(tmp_path_factory.mktemp("carried"), model.address)
    stage.deploy("digits", replicas=1)
    stage.tick()
    stage.open()
    with stage.gateway():
        yield stage
    stage.shut()
    stage.close()


@pytest.fixture(scope="session")
def profile(chromium: Browser) -> Iterator[BrowserContext]:
    with shared_profile(chromium) as context:
        yield context


@pytest.fixture
def looked(profile: BrowserContext) -> Iterator[Watched]:
    """A page that is not signed in, of a profile that knows nothing. Errors in its console fail the test."""
    watched = watch(profile.new_page())
    yield watched
    clear_profile(profile)
    watched.check()


def enter(watched: Watched, stage: Stage, path: str = "/") -> Page:
    """Sign the page in and go to a path of the stage."""
    sign_in(watched.page.context, stage.url, stage.token)
    watched.page.goto(stage.url + path)
    return watched.page
