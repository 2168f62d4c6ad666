"""Where a client finds its server: the environment, the login that `serai login` saved, or a server of this folder."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from serai.domain.errors import Invalid

DEFAULT_URL = "http://127.0.0.1:8080"
LOCAL = Path(".serai/up.json")


@dataclass(frozen=True, slots=True)
class Profile:
    """A server and how to be known there. `source` says for people where this was found.

    `token_id` is set where `serai login` had the token made, which ends with the login; 0 for one that was given.
    """

    url: str
    token: str = field(default="", repr=False)
    source: str = ""
    gateway: str = ""
    token_id: int = 0


def find_profile(environ: Mapping[str, str] = os.environ, folder: Path | None = None) -> Profile:
    """Return the first of SERAI_URL, the saved login, ./.serai/up.json and the default address.

    SERAI_TOKEN overrides a token. A saved token is only ever given to the server that it was saved for.
    """
    saved, local = load_profile(profile_path(environ)), load_local((folder or Path()) / LOCAL)
    url, token = environ.get("SERAI_URL", "").rstrip("/"), environ.get("SERAI_TOKEN", "")
    known = [profile for profile in (saved, local) if profile is not None]
    if url:
        same = next((profile for profile in known if profile.url == url), None)
        return Profile(url, token or (same.token if same else ""), "SERAI_URL", same.gateway if same else "")
    found = known[0] if known else Profile(DEFAULT_URL, source="the default address")
    return Profile(found.url, token or found.token, found.source, found.gateway)


def load_profile(path: Path) -> Profile | None:
    """Return the saved login, None where there is none."""
    values = _load_json(path)
    if not values or "url" not in values:
        return None
    token_id = values.get("token_id")
    return Profile(
        str(values["url"]),
        str(values.get("token", "")),
        str(path),
        token_id=token_id if isinstance(token_id, int) else 0,
    )


def load_local(path: Path) -> Profile | None:
    """Return the server that `serai up` runs for this folder, None where there is none.

    The address is known to anybody, the token only to who may read its file.
    """
    try:
        values = _load_json(path)
    except Invalid:  # another user's, or half written: no reason to refuse a command
        return None
    if not values or "server" not in values:
        return None
    try:
        token = (path.parent / str(values.get("token_file", ""))).read_text().strip()
    except OSError:
        token = ""
    return Profile(str(values["server"]).rstrip("/"), token, str(path), str(values.get("gateway", "")))


def save_profile(path: Path, profile: Profile) -> None:
    """Keep a login, readable by its owner only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"url": profile.url, "token": profile.token, "token_id": profile.token_id}, file)
    part.replace(path)


def forget_profile(path: Path) -> bool:
    """Remove the saved login. Return False if there was none."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def profile_path(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Return the file of the saved login, where this platform keeps the settings of programs."""
    if platform == "win32":
        base = Path(environ.get("APPDATA") or Path.home() / "AppData/Roaming")
    elif platform == "darwin":
        base = Path.home() / "Library/Application Support"
    else:
        base = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME") or Path.home()) / ".config")
    return base / "serai" / "login.json"


def _load_json(path: Path) -> dict[str, object] | None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Invalid(f"{path} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise Invalid(f"{path} is not valid JSON; delete it, or run `serai login` again") from error
    return values if isinstance(values, dict) else None
