"""The command line as a whole: help, errors, laziness, completion, plugins' commands, the reference."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from serai.cli.catalogue import BUNDLED, COMMANDS
from serai.cli.failure import exit_code_of
from serai.cli.main import cli, load_command
from serai.cli.reference import make_reference
from serai.domain import errors
from tests.cli.conftest import Serai

ROOT = Path(__file__).parents[2]
HEAVY = {"rich", "httpx", "flask", "aiohttp", "yaml", "psutil", "pluggy", "asyncio", "http.client", "subprocess"}
HELP = "import sys; from serai.cli.main import cli; cli(['--help'], standalone_mode=False); print(*sys.modules)"
# Commands that ask no server, or print nothing that a program would read.
WITHOUT_JSON = {"up", "server", "gateway", "dev", "login", "logout", "completion", "help"}


def test_help_names_every_command(nowhere: Serai) -> None:
    text = nowhere("--help").stdout
    assert all(f"  {name} " in text for name in COMMANDS)


def every_command() -> Iterator[tuple[str, click.Command]]:
    """Yield all commands with their full names, those of a group instead of the group."""
    for name, place in COMMANDS.items():
        command = load_command(place)
        parts = command.commands if isinstance(command, click.Group) else {}
        yield from ((f"{name} {part}", below) for part, below in parts.items())
        if not parts:
            yield name, command


@pytest.mark.parametrize(
    ("name", "command"), [pytest.param(name, command, id=name) for name, command in every_command()]
)
def test_every_command_helps(nowhere: Serai, name: str, command: click.Command) -> None:
    assert nowhere(*name.split(), "--help").stdout.startswith(f"Usage: serai {name}")
    assert command.help
    assert len(command.get_short_help_str(200)) <= 80
    options = {option for parameter in command.params for option in parameter.opts}
    assert ("--json" in options) != (name in WITHOUT_JSON)
    assert all(p.help or p.hidden for p in command.params if isinstance(p, click.Option))


def test_help_loads_nothing_heavy_and_is_quick() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True, cwd=ROOT)
    assert HEAVY & set(done.stdout.splitlines()[-1].split()) == set()
    spent = []
    for _ in range(3):
        before = os.times()
        subprocess.run([sys.executable, "-m", "serai", "--help"], capture_output=True, check=True, cwd=ROOT)
        after = os.times()
        spent.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(spent) < 0.3, "seconds of CPU: wall time would be that of a busy machine"


def test_unknown_commands_and_options(nowhere: Serai) -> None:
    assert "there is no command 'deplyo'; did you mean 'deploy'?" in nowhere("deplyo", code=2).stderr
    assert "`serai --help` lists them" in nowhere("xyzzy", code=2).stderr
    assert "--detahc" in nowhere("deploy", "--detahc", code=2).stderr


def test_without_a_server_the_way_out_is_said(nowhere: Serai) -> None:
    begun_s = time.monotonic()
    failed = nowhere("ls", "--server", "http://127.0.0.1:1", code=1)
    assert "no server answers at http://127.0.0.1:1" in failed.stderr
    assert "serai up" in failed.stderr
    assert time.monotonic() - begun_s < 10
    assert json.loads(nowhere("ls", "--json", "--server", "ftp://x", code=2).stderr)["error"]["field"] == "url"


def test_bad_names_are_refused_before_anything_is_asked(nowhere: Serai) -> None:
    for text in ("", "a:b", "a:0", "a:1/", "a b"):
        assert "NAME:VERSION" in nowhere("status", text, code=2).stderr


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "nothing says how to run"),
        ({"serai.yaml": "name: a\nreplcas: 2\n"}, "serai.yaml line 2: unknown key 'replcas'; did you mean 'replicas'?"),
        ({"serai.yaml": "name: A_b\n", "start.sh": ""}, "cannot name a deployment"),
        ({"serai.yaml": "env: {PORT: 1}\ncommand: x\n"}, "serai.yaml line 1: env: PORT is set by Serai"),
    ],
)
def test_bad_folders_are_refused_before_anything_is_asked(
    nowhere: Serai, tmp_path: Path, files: dict[str, str], message: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert message in nowhere("deploy", ".", code=2).stderr
    assert message in json.loads(nowhere("deploy", ".", "--json", code=2).stderr)["error"]["message"]
    assert "is not a folder" in nowhere("deploy", "nowhere", code=2).stderr


def test_one_server_for_a_gateway(nowhere: Serai) -> None:
    both = nowhere("gateway", "--server", "http://127.0.0.1:1", "--server-file", "x", code=2)
    assert "--server and --server-file exclude each other" in both.stderr


def test_an_exit_code_for_each_error() -> None:
    assert exit_code_of(errors.Invalid("x")) == 2
    assert exit_code_of(errors.PluginError("x")) == 2
    assert exit_code_of(errors.Conflict("x")) == 1


PLUGIN = """
import click
from serai.plugin import hookimpl

@hookimpl
def serai_register_command():
    @click.command()
    def hello():
        "Greet."
        click.echo("hello from a plugin")
    return hello
"""


def test_commands_of_plugins(nowhere: Serai, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "greeting_package").mkdir()
    (tmp_path / "greeting_package" / "__init__.py").touch()
    (tmp_path / "greeting_package" / "plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins = {"SERAI_PLUGINS": "local,greeting_package.plugin"}
    assert nowhere("hello", **plugins).stdout == "hello from a plugin\n"
    assert "hello  Greet." in nowhere("help", **plugins).stdout
    assert "Greet." in nowhere("help", "hello", **plugins).stdout
    assert "hello" not in nowhere("--help", **plugins).stdout
    assert "nowhere" in nowhere("hello", code=2, SERAI_PLUGINS="local,nowhere").stderr


def test_commands_of_bundled_plugins_are_listed_as_they_are_and_need_not_be_enabled(nowhere: Serai) -> None:
    assert set(BUNDLED) == {name for name, place in COMMANDS.items() if place.startswith("plugin:")}
    for name, about in BUNDLED.items():
        assert load_command(COMMANDS[name]).get_short_help_str(90) == about
        assert nowhere(name, "--help", SERAI_PLUGINS="local").stdout.startswith(f"Usage: serai {name}")
    assert nowhere("help", SERAI_PLUGINS="local,dev").stdout.count("  dev ") == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(nowhere: Serai, shell: str) -> None:
    assert "_SERAI_COMPLETE" in nowhere("completion", shell).stdout


def test_completion_is_silent_without_a_server(nowhere: Serai) -> None:
    words = {"_SERAI_COMPLETE": "bash_complete", "COMP_WORDS": "serai status a", "COMP_CWORD": "2"}
    assert nowhere(SERAI_URL="http://127.0.0.1:1", **words).stdout.strip() == ""
    words |= {"COMP_WORDS": "serai sta", "COMP_CWORD": "1"}
    assert set(nowhere(**words).stdout.split()) == {"plain,start", "plain,status"}


def test_the_reference_is_fresh() -> None:
    """Where it is not: `python -m serai.cli.reference > docs/reference/cli.md`."""
    path = ROOT / "docs" / "reference" / "cli.md"
    assert path.read_text(encoding="utf-8") == make_reference()


PINNED = """
up server gateway deploy ls status versions start stop delete scale logs call metrics access capacity plugins doctor
dev login logout whoami
"""


def test_every_pinned_command_is_there() -> None:
    assert set(PINNED.split()) <= set(cli.list_commands(click.Context(cli)))
