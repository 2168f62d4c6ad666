"""The tutorial, run as it stands: its files are written, its commands run, and what it shows has to appear."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.installation import ROOT, Installation

PAGE = (ROOT / "docs" / "tutorial" / "first-model.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?:`([\w/.]+)`:\n\n)?```(\w+)\n(.*?)```", re.DOTALL)

pytestmark = pytest.mark.slow


def test_the_tutorial_works_as_it_stands(serai: Installation, tmp_path: Path) -> None:
    commands = 0
    for file, language, text in BLOCK.findall(PAGE):
        if file:
            (tmp_path / file).parent.mkdir(exist_ok=True)
            (tmp_path / file).write_text(text)
        elif language == "console":
            for part in text.removeprefix("$ ").split("\n$ "):
                command, _, shown = part.rstrip("\n").partition("\n")
                output = run(serai, command, tmp_path)
                assert shown in output, f"{command} did not show {shown!r}:\n{output}"
                commands += 1
    assert commands > 10


def run(serai: Installation, command: str, folder: Path) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith("SERAI_")}
    env |= {"SERAI_URL": serai.url, "SERAI_TOKEN": (serai.data / "admin.token").read_text().strip()}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    command = command.replace("http://127.0.0.1:8000", serai.gateway)
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True, timeout=90, check=False
    )
    return done.stdout + done.stderr
