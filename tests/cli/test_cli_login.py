"""`serai login --user` and `serai logout`: a password for a token that ends with the login."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Serai
from tests.cli.test_cli_users import ON_TERMINAL, PASSWORD, read_until, type_line
from tests.ports import free_port
from tests.system.installation import Installation


@pytest.fixture
def eve(serai: Serai) -> Iterator[str]:
    """A viewer with a password; gone again after the test."""
    serai("users", "add", "eve", "--role", "viewer", "--password", input=f"{PASSWORD}\n")
    yield "eve"
    serai("users", "remove", "eve", "--yes")


def saved(nowhere: Serai) -> dict[str, object]:
    values: dict[str, object] = json.loads(
        (Path(str(nowhere.environ["XDG_CONFIG_HOME"])) / "serai/login.json").read_text()
    )
    return values


def test_a_login_by_password_and_its_end(serai: Serai, nowhere: Serai, installation: Installation, eve: str) -> None:
    done = nowhere("login", installation.url, "--user", eve, input=f"{PASSWORD}\n")
    assert f"Signed in to {installation.url} as eve (read) until 20" in done.stdout
    token = str(saved(nowhere)["token"])
    assert PASSWORD not in done.output and token not in done.output
    assert nowhere.json("whoami")["login"] == "eve"
    [listed] = nowhere.json("tokens", "ls")
    assert listed["name"].startswith("serai login on ") and listed["expires_at"] is not None
    assert "login.json is removed." in nowhere("logout").stdout
    with_token = Serai(nowhere.environ | {"SERAI_URL": installation.url, "SERAI_TOKEN": token})
    assert "has been revoked" in with_token("whoami", code=1).stderr
    assert "There is no saved login." in nowhere("logout").stdout
    told = [(event["kind"], event["actor"]) for event in serai.json("events", "--by", "eve")[-2:]]
    assert told == [("token.created", "eve"), ("token.revoked", "eve")]
    assert any(line.endswith("by eve") and "  token.revoked" in line for line in serai("events").stdout.splitlines())


def test_a_viewer_makes_a_token_that_reads(nowhere: Serai, installation: Installation, eve: str) -> None:
    nowhere("login", installation.url, "--user", eve, "--expires-in", "5m", input=f"{PASSWORD}\n")
    token = nowhere("tokens", "create", "watch", "--permission", "read").stdout.strip()
    program = Serai(nowhere.environ | {"SERAI_URL": installation.url, "SERAI_TOKEN": token})
    assert program("ls").exit_code == 0
    assert "lacks the permission 'write'" in program("idle", "x", code=1).stderr
    assert "having it not itself" in nowhere("tokens", "create", "x", "--permission", "write", code=1).stderr
    assert "is revoked" in nowhere("tokens", "revoke", "watch", "--yes").stdout
    nowhere("logout")


def test_the_next_login_ends_the_one_before(nowhere: Serai, installation: Installation, eve: str) -> None:
    for _ in range(2):
        nowhere("login", installation.url, "--user", eve, input=f"{PASSWORD}\n")
    assert [token["id"] for token in nowhere.json("tokens", "ls")] == [saved(nowhere)["token_id"]]
    nowhere("login", installation.url, "--token-file", installation.data / "admin.token")
    assert saved(nowhere)["token_id"] == 0
    assert [token["login"] for token in nowhere.json("tokens", "ls") if token["login"] == eve] == []
    nowhere("logout")
    token = (installation.data / "admin.token").read_text().strip()
    assert nowhere("whoami", SERAI_URL=installation.url, SERAI_TOKEN=token).exit_code == 0, "a token of one's own stays"


def test_the_password_is_asked_for_and_never_echoed(nowhere: Serai, installation: Installation, eve: str) -> None:
    words = [sys.executable, "-c", ON_TERMINAL, sys.executable, "-m", "serai", "login", installation.url, "--user", eve]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("SERAI_")}
    environ |= {key: value for key, value in nowhere.environ.items() if value is not None}
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ) as process:
        assert process.stdin and process.stdout
        shown = read_until(process.stdout, "Password of eve: ")
        type_line(process.stdin, PASSWORD)
        shown += read_until(process.stdout, "saved in ")
        process.stdout.read()
        assert process.wait(20) == 0
    assert PASSWORD not in shown and "as eve (read)" in shown
    nowhere("logout")


def test_what_is_refused(nowhere: Serai, installation: Installation, eve: str) -> None:
    wrong = nowhere("login", installation.url, "--user", eve, code=1, input="not the password\n")
    assert wrong.stderr == "Error: Login and password do not fit, or the account is disabled.\n"
    token_file = installation.data / "admin.token"
    both = nowhere("login", installation.url, "--user", eve, "--token-file", token_file, code=2)
    assert "exclude each other" in both.stderr
    assert "goes with --user" in nowhere("login", installation.url, "--expires-in", "1d", code=2).stderr
    assert "standard input" in nowhere("login", installation.url, "--user", eve, code=2).stderr
    soon = nowhere("login", installation.url, "--user", eve, "--expires-in", "soon", code=2, input=f"{PASSWORD}\n")
    assert "expires_in" in soon.stderr
    assert not (Path(str(nowhere.environ["XDG_CONFIG_HOME"])) / "serai").exists()


def test_too_many_guesses_say_when_to_come_back(serai: Serai, nowhere: Serai, installation: Installation) -> None:
    for number in range(10):
        nowhere("login", installation.url, "--user", "mallory", code=1, input=f"guess {number}\n")
    late = nowhere("login", installation.url, "--user", "mallory", code=1, input="another guess\n")
    assert "too many sign-ins have failed; try again in 10 min" in late.stderr
    assert any("as mallory from" in event["text"] for event in serai.json("events"))


def test_a_logout_that_cannot_revoke_says_so_and_forgets(nowhere: Serai) -> None:
    folder = Path(str(nowhere.environ["XDG_CONFIG_HOME"])) / "serai"
    folder.mkdir(parents=True)
    values = {"url": f"http://127.0.0.1:{free_port()}", "token": "serai_x", "token_id": 7}
    (folder / "login.json").write_text(json.dumps(values))
    done = nowhere("logout", code=1)
    assert "login.json is removed." in done.stdout and "could not be revoked (no server answers" in done.stderr
    assert not (folder / "login.json").exists()
    (folder / "login.json").write_text("{")
    assert "is removed" in nowhere("logout").stdout
