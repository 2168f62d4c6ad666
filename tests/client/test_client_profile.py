"""Which server a client talks to, with which token, and what it asks for."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from serai.client.profile import (
    DEFAULT_URL,
    Profile,
    find_profile,
    forget_profile,
    load_profile,
    profile_path,
    save_profile,
)
from serai.client.secrets import fill_secrets
from serai.domain.errors import Invalid

HOME = "http://home:8080"
LOCAL = "http://127.0.0.1:9999"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(tmp_path / "config")}


def save_login(environ: dict[str, str]) -> None:
    save_profile(profile_path(environ, "linux"), Profile(HOME, "saved", token_id=3))


def run_up(folder: Path) -> None:
    (folder / ".serai").mkdir()
    (folder / ".serai" / "admin.token").write_text("local\n")
    values = {"server": LOCAL, "gateway": "http://127.0.0.1:9998", "token_file": "admin.token"}
    (folder / ".serai" / "up.json").write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("is_saved", "is_up", "given", "expected"),
    [
        (False, False, {}, (DEFAULT_URL, "")),
        (False, True, {}, (LOCAL, "local")),
        (True, True, {}, (HOME, "saved")),
        (True, True, {"SERAI_URL": LOCAL + "/"}, (LOCAL, "local")),
        (True, False, {"SERAI_URL": "http://other"}, ("http://other", "")),
        (True, False, {"SERAI_URL": "http://other", "SERAI_TOKEN": "t"}, ("http://other", "t")),
        (True, False, {"SERAI_TOKEN": "t"}, (HOME, "t")),
        (False, False, {"SERAI_TOKEN": "t"}, (DEFAULT_URL, "t")),
    ],
)
def test_which_server(
    tmp_path: Path,
    environ: dict[str, str],
    is_saved: bool,
    is_up: bool,
    given: dict[str, str],
    expected: tuple[str, str],
) -> None:
    if is_saved:
        save_login(environ)
    if is_up:
        run_up(tmp_path)
    found = find_profile(environ | given, tmp_path)
    assert (found.url, found.token) == expected
    assert found.source


def test_a_login_is_its_owners_alone(environ: dict[str, str]) -> None:
    save_login(environ)
    path = profile_path(environ, "linux")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert load_profile(path) == Profile(HOME, "saved", str(path), token_id=3)
    assert "saved" not in repr(load_profile(path))
    assert [forget_profile(path), forget_profile(path)] == [True, False]


def test_a_broken_login_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    path = profile_path(environ, "linux")
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(Invalid, match="is not valid JSON; delete it"):
        find_profile(environ, tmp_path)


def test_a_half_written_up_file_stops_nobody(environ: dict[str, str], tmp_path: Path) -> None:
    run_up(tmp_path)
    (tmp_path / ".serai" / "up.json").write_text("{")
    assert find_profile(environ, tmp_path).url == DEFAULT_URL
    (tmp_path / ".serai" / "up.json").write_text(json.dumps({"server": LOCAL, "token_file": "gone"}))
    assert find_profile(environ, tmp_path).token == ""


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {"XDG_CONFIG_HOME": "/x"}, Path("/x/serai/login.json")),
        ("linux", {"HOME": "/home/me"}, Path("/home/me/.config/serai/login.json")),
        ("darwin", {}, Path.home() / "Library/Application Support/serai/login.json"),
        ("win32", {"APPDATA": "/app"}, Path("/app/serai/login.json")),
    ],
)
def test_where_each_platform_keeps_it(platform: str, environ: dict[str, str], expected: Path) -> None:
    assert profile_path(environ, platform) == expected


def test_secrets() -> None:
    asked: list[str] = []

    def ask(name: str) -> str:
        asked.append(name)
        return f"typed {name}"

    secrets = {"A": "{{ ask }}", "B": "{{ask}}", "C": "plain"}
    assert fill_secrets(secrets, {"A": "from env"}, ask) == {"A": "from env", "B": "typed B", "C": "plain"}
    assert asked == ["B"]
    with pytest.raises(Invalid, match="set the environment variable B"):
        fill_secrets(secrets, {"A": "x"}, None)
    with pytest.raises(Invalid, match="the secret A is empty"):
        fill_secrets(secrets, {}, lambda _: "")
