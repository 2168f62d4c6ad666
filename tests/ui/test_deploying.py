"""New versions from the browser: a folder packed there is the bundle that `serai deploy` makes of it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from serai.client.pack import pack_folder
from tests.ui.browser import Watched
from tests.ui.conftest import enter
from tests.ui.stage import Stage

pytestmark = pytest.mark.browser


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder with all that makes packing hard."""
    root = tmp_path / "My Model"
    for path, text in {
        "start.sh": "#!/bin/sh\nexec python serve.py\n",
        "serve.py": "print('hello')\n",
        "serai.yaml": "name: my-model\nreplicas: 2\nenv: {LOG_LEVEL: info}\n",
        ".seraiignore": "*.tmp\n/weights/old/\n!keep.tmp\ncache\n",
        "weights/model.bin": "x" * 200_000,
        "weights/old/model.bin": "old",
        "a/b.txt": "b",
        "a.txt": "sorted between a and a/b",
        "sub/left.tmp": "out",
        "sub/keep.tmp": "in",
        "cache/deep/file": "out",
        "größe/ünïcode.txt": "ü",
        "long/" + "n" * 90 + "/" + "m" * 60 + ".txt": "long",
        "__pycache__/x.pyc": "out",
        "empty.txt": "",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def deployed(stage: Stage, name: str, number: int = 1):  # type: ignore[no-untyped-def]
    view = stage.core.cluster.view(name).version(number)
    assert view is not None
    return view.version


def test_a_folder_becomes_the_same_bundle_as_on_the_command_line(stage: Stage, looked: Watched, folder: Path) -> None:
    looked.expects = ("404 (NOT FOUND)",)  # asked whether the server has the bundle
    page = enter(looked, stage, "/new")
    page.set_input_files("#folder", folder)
    expect(page.locator("#name")).to_have_value("my-model")
    expect(page.locator("#manifest")).to_have_value((folder / "serai.yaml").read_text())
    page.click("button:text-is('Deploy')")
    page.wait_for_url("**/d/my-model/versions/1*")
    with pack_folder(folder) as packed:
        assert deployed(stage, "my-model").spec.bundle == packed.digest
    assert stage.core.cluster.view("my-model").deployment.settings.count == 2


def test_the_same_folder_twice_is_sent_once_and_makes_no_new_version(
    stage: Stage, looked: Watched, folder: Path
) -> None:
    looked.expects = ("404 (NOT FOUND)",)
    page = enter(looked, stage, "/new")
    page.set_input_files("#folder", folder)
    page.click("button:text-is('Deploy')")
    page.wait_for_url("**/d/my-model/versions/1*")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method) if "/bundles/" in request.url else None)
    page.goto(f"{stage.url}/d/my-model/new")
    page.set_input_files("#folder", folder)
    expect(page.locator("#manifest")).to_have_value((folder / "serai.yaml").read_text())
    page.click("button:text-is('Deploy')")
    expect(page.locator("#note")).to_contain_text("Nothing is different")
    assert sent == ["HEAD"]


def test_a_mistake_is_shown_at_its_line_and_nothing_is_sent_again(stage: Stage, looked: Watched, folder: Path) -> None:
    looked.expects = ("404 (NOT FOUND)", "422")
    page = enter(looked, stage, "/new")
    page.set_input_files("#folder", folder)
    expect(page.locator("#name")).to_have_value("my-model")
    page.fill("#manifest", "replicas: 1\nresources:\n  memory: lots\n")
    page.click("button:text-is('Deploy')")
    expect(page.locator("#problem-manifest")).to_contain_text("Line 3: resources.memory: 'lots' is not a size")
    assert page.evaluate("getSelection().toString()") == "  memory: lots"
    page.fill("#manifest", "replicas: 1\n")
    page.click("button:text-is('Deploy')")
    page.wait_for_url("**/d/my-model/versions/1*")


def test_secrets_are_asked_for_and_never_shown(stage: Stage, looked: Watched) -> None:
    looked.expects = ("422",)
    page = enter(looked, stage, "/new")
    fill_image(page, 'secrets: {HF_TOKEN: "{{ ask }}"}\n')
    page.click("button:text-is('Deploy')")
    expect(page.locator("#problem-secrets")).to_contain_text("HF_TOKEN needs a value")
    page.fill("#secret-HF_TOKEN", "hf_very_secret")
    page.click("button:text-is('Deploy')")
    page.wait_for_url("**/d/m/versions/1*")
    assert "hf_very_secret" not in page.content()
    page.goto(f"{stage.url}/d/m/new")
    assert "{{ ask }}" in page.locator("#manifest").input_value()


def test_an_archive_is_taken_and_a_broken_one_refused(stage: Stage, looked: Watched, tmp_path: Path) -> None:
    looked.expects = ("404 (NOT FOUND)", "422")
    good, bad = tmp_path / "m.tar.gz", tmp_path / "bad.tar.gz"
    with tarfile.open(good, "w:gz") as tar:
        info = tarfile.TarInfo("start.sh")
        info.size = 2
        tar.addfile(info, io.BytesIO(b"x\n"))
    bad.write_bytes(good.read_bytes()[:-30])
    page = enter(looked, stage, "/new")
    page.fill("#name", "m")
    page.fill("#manifest", "")
    page.set_input_files("#archive", bad)
    page.click("button:text-is('Deploy')")
    expect(page.locator("#packing")).to_contain_text("the bundle cannot be read")
    page.set_input_files("#archive", good)
    page.click("button:text-is('Deploy')")
    page.wait_for_url("**/d/m/versions/1*")
    assert stage.core.blobs.has(deployed(stage, "m").spec.bundle)


def test_a_taken_name_says_where_to_go(stage: Stage, looked: Watched) -> None:
    looked.expects = ("422",)
    stage.deploy("m")
    page = enter(looked, stage, "/new")
    fill_image(page, "")
    page.click("button:text-is('Deploy')")
    expect(page.locator("#problem-name")).to_contain_text("There is a deployment 'm' already")


def test_a_version_is_edited_into_a_new_one(stage: Stage, looked: Watched) -> None:
    stage.deploy("m", env={"A": "1"}, resources={"memory": "1GiB"})
    stage.tick()
    page = enter(looked, stage, "/d/m/new?from=1")
    assert page.locator("#manifest").input_value() == "env:\n  A: '1'\nresources:\n  memory: 1 GiB\n"
    page.fill("#manifest", "env: {A: '2'}\n")
    page.click("button:text-is('Deploy')")
    page.wait_for_url("**/d/m/versions/2*")
    expect(page.locator("text=What differs from v1")).to_be_visible()
    assert deployed(stage, "m", 2).spec.env == {"A": "2"}


def fill_image(page: Page, manifest: str) -> None:
    page.fill("#name", "m")
    page.fill("#image", "registry/m:1")
    page.fill("#manifest", manifest)
