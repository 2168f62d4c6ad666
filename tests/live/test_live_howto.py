"""The agent configurations of the how-to are ones that Nomad takes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "nomad"


@pytest.mark.parametrize("file", sorted(HOWTO.glob("*.hcl")), ids=lambda path: path.name)
def test_nomad_takes_the_configuration(nomad: Path, file: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.hcl"
    own.write_text(f'data_dir = "{tmp_path}/data"\nbind_addr = "127.0.0.1"\n', encoding="utf-8")
    command = [str(nomad), "config", "validate", str(own), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
