"""`serai users`, `teams`, `owner` and `tokens` against a real server: tables, refusals, hidden passwords, --json."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import IO

import httpx
import pytest

from serai.cli.tokens import PERMISSIONS
from serai.plugin import Permission
from tests.cli.conftest import Serai
from tests.system.installation import Installation, make_model

PASSWORD = "correct horse battery"
# Runs a command on a terminal of its own, which its standard input types on and its standard output shows.
ON_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


@pytest.fixture
def ann(serai: Serai) -> Iterator[str]:
    """An account without deployments; gone again after the test."""
    serai("users", "add", "ann", "--name", "Ann Arbor", "--email", "ann@example.com")
    yield "ann"
    for team in serai.json("teams", "ls"):
        serai("teams", "remove", team["name"], "--yes")
    for user in serai.json("users", "ls"):
        serai("users", "remove", user["login"], "--yes")


def test_the_life_of_an_account(serai: Serai) -> None:
    assert "There are no accounts" in serai("users", "ls").stdout
    assert "Account bob is made, as viewer." in serai("users", "add", "bob", "--role", "viewer").stdout
    made = serai.json("users", "ls")
    assert [(user["login"], user["role"], user["disabled"]) for user in made] == [("bob", "viewer", False)]
    assert "already" in serai("users", "add", "bob", code=1).stderr
    after = serai.json("users", "edit", "bob", "--name", "Bob", "--role", "member", "--disable")
    assert (after["name"], after["role"], after["disabled"]) == ("Bob", "member", True)
    assert "disabled" in serai("users", "ls").stdout
    serai("users", "edit", "bob", "--enable")
    row = serai("users", "ls").stdout.splitlines()[1].split()
    assert row == ["bob", "Bob", "member", "not", "yet", "never"]
    assert "give --yes" in serai("users", "remove", "bob", code=2).stderr
    assert "Account bob is deleted." in serai("users", "remove", "bob", "--yes").stdout
    assert serai.json("users", "ls") == []


def test_a_password_is_read_from_a_pipe_and_shown_nowhere(serai: Serai, ann: str) -> None:
    serai("users", "add", "eve", "--password", input=f"{PASSWORD}\n")
    changed = serai("users", "edit", ann, "--name", "Ann", "--password", "--json", input=f"{PASSWORD}\n")
    assert PASSWORD not in changed.output and '"Ann"' in changed.output
    short = serai("users", "edit", ann, "--name", "No", "--password", input="short\n", code=2)
    assert "password" in short.stderr
    assert [user["name"] for user in serai.json("users", "ls")] == ["Ann", ""], "a refused password changes nothing"
    assert "standard input" in serai("users", "edit", ann, "--password", code=2).stderr
    texts = [event["text"] for event in serai.json("events")]
    assert f"{ann}: new password" in texts and not any(PASSWORD in text for text in texts)


def test_a_password_is_asked_for_twice_and_never_echoed(serai: Serai, ann: str) -> None:
    words = [sys.executable, "-c", ON_TERMINAL, sys.executable, "-m", "serai", "users", "edit", ann, "--password"]
    environ = os.environ | {key: value for key, value in serai.environ.items() if value is not None}
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ) as process:
        assert process.stdin and process.stdout
        shown = read_until(process.stdout, "New password of ann: ")
        type_line(process.stdin, PASSWORD)
        shown += read_until(process.stdout, "Repeat for confirmation: ")
        type_line(process.stdin, PASSWORD)
        shown += read_until(process.stdout, "Account ann is changed.")
        assert process.wait(20) == 0
    assert PASSWORD not in shown


def test_an_address_at_which_a_password_is_set(serai: Serai, installation: Installation) -> None:
    made = serai("users", "add", "ivy", "--role", "viewer", "--invite")
    assert "Account ivy is made, as viewer." in made.stderr and "never shown again" in made.stderr
    address = made.stdout.strip()
    assert address.startswith(f"{installation.url}/login/new-password?code=") and "\n" not in address
    assert "not yet" in serai("users", "ls").stdout
    again = serai.json("users", "reset", "ivy", "--expires-in", "1h")
    assert again["login"] == "ivy" and again["url"] != address
    form = {"code": again["url"].partition("code=")[2], "new": PASSWORD, "again": PASSWORD}
    assert httpx.get(address, trust_env=False).status_code == 401, "another address took its place"
    assert httpx.post(again["url"].partition("?")[0], data=form, trust_env=False).status_code == 303
    assert "by password" in serai("users", "ls").stdout
    assert "exclude each other" in serai("users", "add", "x", "--invite", "--password", code=2).stderr
    assert "no account 'nobody'" in serai("users", "reset", "nobody", code=1).stderr
    assert "at most 30d" in serai("users", "reset", "ivy", "--expires-in", "99d", code=2).stderr
    serai("users", "remove", "ivy", "--yes")


def read_until(shown: IO[bytes], text: str) -> str:
    """Return what a terminal shows up to a text; fail at its end."""
    seen = b""
    while not seen.endswith(text.encode()):
        more = shown.read(1)
        assert more, seen
        seen += more
    return seen.decode()


def type_line(keyboard: IO[bytes], text: str) -> None:
    keyboard.write(f"{text}\n".encode())
    keyboard.flush()


def test_the_life_of_a_team(serai: Serai, ann: str) -> None:
    assert "There are no teams" in serai("teams", "ls").stdout
    assert "Team vision: nobody yet" in serai("teams", "set", "vision", "--about", "Eyes").stdout
    assert "Team vision: ann" in serai("teams", "join", "vision", ann).stdout
    assert serai.json("teams", "join", "vision", ann)["members"] == [ann]
    listed = serai("teams", "ls").stdout.splitlines()[1].split()
    assert listed == ["vision", "Eyes", "ann"]
    serai("users", "add", "cid")
    assert serai.json("teams", "set", "vision", "--member", ann, "--member", "cid")["members"] == [ann, "cid"]
    assert serai.json("teams", "set", "vision", "--about", "Ears")["members"] == [ann, "cid"], "members stay"
    assert serai.json("teams", "leave", "vision", "cid")["members"] == [ann]
    assert "give --yes" in serai("teams", "remove", "vision", code=2).stderr
    assert "Team vision is deleted." in serai("teams", "remove", "vision", "--yes").stdout
    assert serai.json("teams", "ls") == []


def test_a_deployment_is_given_to_a_team_and_back(serai: Serai, ann: str, installation: Installation) -> None:
    installation.deploy(make_model(installation.folder / "eyes", "name: eyes\n"))
    made = serai("tokens", "create", "laptop", "--permission", "write", "--login", ann, "--expires-in", "1d")
    member = Serai(serai.environ | {"SERAI_TOKEN": made.stdout.strip()})
    assert member.json("whoami")["login"] == ann
    assert "belongs to" in member("stop", "eyes", "--detach", code=1).stderr
    serai("teams", "set", "vision", "--member", ann)
    assert "eyes: owner is team:vision now" in serai("owner", "eyes", "team:vision").stdout
    assert "owns eyes" in serai("teams", "remove", "vision", "--yes", code=1).stderr
    assert member.json("scale", "eyes", "2")["owner"] == "team:vision"
    assert serai.json("owner", "eyes", ann)["owner"] == ann
    assert "owns eyes" in serai("users", "remove", ann, "--yes", code=1).stderr
    assert "there is no account" in serai("owner", "eyes", "nobody", code=2).stderr
    for words in (("users", "ls"), ("users", "add", "mine"), ("teams", "set", "mine"), ("teams", "remove", "vision")):
        answered = member(*words, *(["--yes"] if "remove" in words else []), code=1)
        assert "admin" in answered.stderr
    serai("stop", "eyes")
    serai("delete", "eyes", "--all", "--yes")


def test_the_life_of_a_token(serai: Serai) -> None:
    made = serai("tokens", "create", "ci", "--permission", "read", "--permission", "fetch", "--expires-in", "90d")
    token = made.stdout.strip()
    assert token.startswith("serai_") and "\n" not in token and "never shown again" in made.stderr
    listed = serai("tokens", "ls").stdout
    assert token not in listed and token[:9] in listed and "fetch, read" in listed
    program = Serai(serai.environ | {"SERAI_TOKEN": token})
    assert program.json("whoami")["permissions"] == ["fetch", "read"]
    assert program("scale", "nowhere", "1", code=1).stderr
    assert "give --yes" in serai("tokens", "revoke", "ci", code=2).stderr
    assert "is revoked" in serai("tokens", "revoke", "ci", "--yes").stdout
    program("whoami", code=1)
    twins = [serai.json("tokens", "create", "twin", "--permission", "read")["id"] for _ in range(2)]
    assert "give the number" in serai("tokens", "revoke", "twin", "--yes", code=1).stderr
    assert [serai.json("tokens", "revoke", twin, "--yes")["id"] for twin in twins] == twins
    assert "twin" not in serai("tokens", "ls").stdout


def test_tokens_may_have_every_permission_there_is() -> None:
    assert set(PERMISSIONS) == {permission.value for permission in Permission}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("users", "add", "Not A Login"), 2, "login"),
        (("users", "add", "admin"), 1, "installation's own"),
        (("users", "add", "x", "--role", "king"), 2, "viewer"),
        (("users", "edit", "nobody"), 2, "nothing to change"),
        (("users", "edit", "nobody", "--disable"), 1, "no account 'nobody'"),
        (("users", "edit", "nobody", "--password"), 1, "no account 'nobody'"),
        (("users", "remove", "nobody", "--yes"), 1, "no account 'nobody'"),
        (("teams", "set", "No Team"), 2, "name"),
        (("teams", "set", "x", "--member", "nobody"), 2, "no account 'nobody'"),
        (("teams", "join", "nobodies", "nobody"), 1, "no team 'nobodies'"),
        (("teams", "leave", "nobodies", "nobody"), 1, "no team 'nobodies'"),
        (("teams", "remove", "nobodies", "--yes"), 1, "no team 'nobodies'"),
        (("owner", "nowhere", "team:x"), 1, "nowhere"),
        (("tokens", "create", "x"), 2, "--permission"),
        (("tokens", "create", "x", "--permission", "all"), 2, "gateway"),
        (("tokens", "create", "x", "--permission", "read", "--expires-in", "soon"), 2, "expires_in"),
        (("tokens", "revoke", "999", "--yes"), 1, "no token 999"),
        (("tokens", "revoke", "nobody's", "--yes"), 1, "no token named"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_an_exit_code(
    serai: Serai, words: tuple[str, ...], code: int, said: str
) -> None:
    assert said in serai(*words, code=code).stderr


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("users edit a", ["ann"]),
        ("teams join v", ["vision"]),
        ("teams join vision a", ["ann"]),
        ("teams set vision --member a", ["ann"]),
        ("owner eyes t", ["team:vision"]),
        ("owner eyes a", ["ann"]),
        ("users edit z", []),
    ],
)
def test_accounts_and_teams_are_completed(serai: Serai, ann: str, typed: str, completed: list[str]) -> None:
    serai("teams", "set", "vision")
    count = len(typed.split())
    words = {"_SERAI_COMPLETE": "bash_complete", "COMP_WORDS": f"serai {typed}", "COMP_CWORD": str(count)}
    assert serai(**words).stdout.split() == [f"plain,{word}" for word in completed]
