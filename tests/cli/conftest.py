"""Fixtures of the command line's tests: one real installation for a module, and a runner that talks to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from serai.cli.main import cli
from tests.system.installation import Installation


class Serai:
    """`serai ...` in this process, with an environment of its own."""

    def __init__(self, environ: Mapping[str, str | None]) -> None:
        self.environ = dict(environ)

    def __call__(self, *arguments: object, code: int = 0, input: str | None = None, **environ: str) -> Result:
        """Run a command and return its result, which has to have the exit code `code`."""
        words = [str(argument) for argument in arguments]
        result = CliRunner().invoke(cli, words, input=input, env=self.environ | environ, prog_name="serai")
        assert result.exit_code == code, (
            f"{words}: {result.exit_code}\n{result.stdout}\n{result.stderr}\n{result.exception!r}"
        )
        return result

    def json(self, *arguments: object, code: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", code=code).stdout)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("installation"))
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serai:
    """A command line without a server, in an empty folder and without a saved login."""
    monkeypatch.chdir(tmp_path)
    return Serai({"XDG_CONFIG_HOME": str(tmp_path / "config"), "SERAI_URL": None, "SERAI_TOKEN": None})


@pytest.fixture
def serai(nowhere: Serai, installation: Installation) -> Serai:
    """A command line that talks to the installation as its administrator."""
    token = (installation.data / "admin.token").read_text().strip()
    return Serai(nowhere.environ | {"SERAI_URL": installation.url, "SERAI_TOKEN": token})
