"""requirements.txt: installed once, before the start, with its output in the log; without any package index."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from serai.domain.observation import Phase, Stream, Workload
from serai_local import launch
from tests.plugins.stage import Stage
from tests.waiting import eventually

SAY = """#!/bin/sh
command -v python
exec python -u -c 'import os, socket, time
print(__import__("importlib.util").util.find_spec("serai_probe") is not None)
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
time.sleep(99)'
"""
PROJECT = {
    "probe/pyproject.toml": '[project]\nname = "serai-probe"\nversion = "1"\n'
    '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    "probe/backend.py": """
import zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "serai_probe-1-py3-none-any.whl"
    meta = "Metadata-Version: 2.1\\nName: serai-probe\\nVersion: 1\\n"
    wheel = "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    files = {"serai_probe.py": "", "serai_probe-1.dist-info/METADATA": meta, "serai_probe-1.dist-info/WHEEL": wheel}
    record = "".join(f"{file},,\\n" for file in files)
    with zipfile.ZipFile(folder + "/" + name, "w") as archive:
        for file, text in {**files, "serai_probe-1.dist-info/RECORD": record}.items():
            archive.writestr(file, text)
    return name
""",
}
LOCAL = {"start.sh": SAY, "requirements.txt": "./probe\n", **PROJECT}


def environments(stage: Stage) -> list[Path]:
    folder = stage.folder / "local" / "environments"
    return [path for path in folder.iterdir() if path.is_dir()] if folder.exists() else []


def said(stage: Stage, workload: Workload, replica: str) -> list[str]:
    return stage.texts(workload, replica, Stream.STDOUT)


@pytest.fixture(params=["uv", "pip"])
def installer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, stage: Stage) -> str:
    """Have both installers tried; nothing is asked of an index."""
    if request.param == "uv" and not launch.find_uv(None):
        pytest.skip("there is no uv on this machine")
    if request.param == "pip":
        monkeypatch.setattr(launch, "find_uv", lambda path: "")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    stage.scheduler.close()
    stage.open()
    return str(request.param)


def test_requirements_are_installed_once_and_used(stage: Stage, installer: str) -> None:
    workload = stage.serve(LOCAL, count=2)
    replicas = stage.ready(workload, 60)
    (environment,) = environments(stage)
    for replica in replicas:
        python, found = said(stage, workload, replica.id)
        assert python == str(environment / "bin" / "python") and found == "True"
    ran = ["\n".join(stage.texts(workload, replica.id, Stream.SYSTEM)).count("Running ") for replica in replicas]
    assert sorted(ran) == [0, 2], "one replica installed, the other waited and found it done"
    (again,) = stage.ready(stage.serve(LOCAL, name="other-v1"), 60)
    assert environments(stage) == [environment]
    assert again.ready


def test_a_failing_install_is_told_and_leaves_nothing(stage: Stage, installer: str) -> None:
    workload = stage.serve({"requirements.txt": "serai-no-such-package==9\n"})
    reason = stage.reason(workload, lambda replica, _: replica.crashes > 0, 60)
    assert reason.code == "install-failed" and any("serai-no-such-package" in line for line in reason.log)
    stage.stop(workload)
    assert environments(stage) == []


def test_an_unfinished_environment_is_made_anew(stage: Stage) -> None:
    files = {"requirements.txt": "# nothing\n"}
    first = stage.serve(files)
    stage.ready(first, 60)
    stage.stop(first)
    (environment,) = environments(stage)
    (environment / ".serai-complete").unlink()
    (environment / "leftover").touch()
    stage.ready(stage.serve(files, run=2), 60)
    assert environments(stage) == [environment]
    assert (environment / ".serai-complete").exists() and not (environment / "leftover").exists()


def test_environments_that_nobody_used_for_a_month_are_removed(stage: Stage) -> None:
    kept, old, half = (stage.folder / "local" / "environments" / name for name in ("kept", "old", "half"))
    for place in (kept, old, half):
        place.mkdir(parents=True)
    for place in (kept, old):
        (place / ".serai-complete").touch()
    os.utime(old / ".serai-complete", (0, 0))
    stage.scheduler.close()
    stage.open()
    assert environments(stage) == [kept]


def test_stopping_while_installing_ends_the_installer(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = stage.folder / "uv"
    slow.write_text('#!/bin/sh\nmkdir -p "$6"\necho slowly\nexec sleep 300\n')
    slow.chmod(0o755)
    monkeypatch.setattr(launch, "find_uv", lambda path: str(slow))
    stage.scheduler.close()
    stage.open()
    workload = stage.serve({"requirements.txt": "x\n"})
    reason = stage.reason(workload, lambda replica, _: replica.phase is Phase.INSTALLING)
    assert reason.code == "installing"
    replica = stage.the(workload)
    eventually(lambda: "slowly" in stage.texts(workload, replica.id, Stream.SYSTEM))
    waiting = stage.serve({"requirements.txt": "x\n"}, name="second-v1")
    stage.reason(waiting, lambda _, reason: "Another replica" in reason.text)
    stage.stop(waiting)
    stage.stop(workload)
    assert environments(stage) == [] and not stage.processes()
