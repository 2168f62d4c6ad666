"""The plugin's table of serai.toml (`[plugin.oidc]`), typed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from serai.domain.accounts import Role, check_team
from serai.domain.errors import Invalid
from serai.domain.fields import Fields, read_enum, read_text, read_texts
from serai.domain.quantity import parse_duration

_PATH = "plugin.oidc"
# Signatures by a key that the provider alone has. Never `none`, and never an HMAC, whose key would be the public one.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """What an operator decides; `issuer` and `client_id` have to be given.

    `issuer`: the provider's address, as its ID tokens name it. `client_id`, and `client_secret` or
    `client_secret_file` (read at each use, so that it can be exchanged): as registered there; none of both is a public
    client. `scopes`: what is asked for. `login_claim`, `name_claim`, `groups_claim`: where the provider says what;
    with `email` as login the address has to be verified. `domains`: those of verified e-mail addresses that may come
    in, `groups`: groups of which somebody has to be in one; both empty lets in whom the provider lets in. `role`: of
    who is in no group of `roles` (role -> groups; given at all, it decides at each sign-in). `teams`: team -> groups.
    `label`: the button says "Sign in with <label>". `ca_file`: PEM file of authorities that the provider's certificate
    is checked against. `callback_url`: where browsers come back, where that is not the address people use.
    `algorithms`: signatures that are taken. `timeout`: seconds for each call to the provider.
    """

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    client_secret_file: str = ""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    login_claim: str = "preferred_username"
    name_claim: str = "name"
    groups_claim: str = "groups"
    domains: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    role: Role = Role.VIEWER
    roles: Mapping[Role, tuple[str, ...]] = field(default_factory=dict)
    teams: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    label: str = "single sign-on"
    ca_file: str = ""
    callback_url: str = ""
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    timeout_s: float = 10.0

    def read_secret(self) -> str:
        """Return the client's secret as it is now, "" for none. Raise Invalid for a file that cannot be read."""
        if not self.client_secret_file:
            return self.client_secret
        try:
            return Path(self.client_secret_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid(
                f"{_PATH}.client_secret_file: {self.client_secret_file} cannot be read ({type(error).__name__})",
                f"{_PATH}.client_secret_file",
            ) from error


def load_settings(values: Mapping[str, object]) -> OidcSettings:
    """Return the settings of a table. Raise Invalid naming the key for anything missing or wrong."""
    keys = [key.removesuffix("_s") for key in OidcSettings.__dataclass_fields__]
    fields, default = Fields(values, _PATH, keys), OidcSettings("", "")
    settings = OidcSettings(
        issuer=_check_address(fields.get("issuer", read_text, ""), f"{_PATH}.issuer"),
        client_id=_check_given(fields.get("client_id", read_text, ""), f"{_PATH}.client_id"),
        client_secret=fields.get("client_secret", _read_secret, ""),
        client_secret_file=fields.get("client_secret_file", read_text, ""),
        scopes=fields.get("scopes", read_texts, default.scopes),
        login_claim=fields.get("login_claim", read_text, default.login_claim),
        name_claim=fields.get("name_claim", read_text, default.name_claim),
        groups_claim=fields.get("groups_claim", read_text, default.groups_claim),
        domains=tuple(domain.lower().removeprefix("@") for domain in fields.get("domains", read_texts, ())),
        groups=fields.get("groups", read_texts, ()),
        role=fields.get("role", read_enum(Role), default.role),
        roles=fields.get("roles", _read_roles, {}),
        teams=fields.get("teams", _read_teams, {}),
        label=fields.get("label", read_text, default.label),
        ca_file=fields.get("ca_file", _read_file, ""),
        callback_url=fields.get("callback_url", _check_address, ""),
        algorithms=fields.get("algorithms", _read_algorithms, default.algorithms),
        timeout_s=fields.get("timeout", _read_timeout, default.timeout_s),
    )
    _check_together(settings)
    return settings


def is_trusted_address(address: str) -> bool:
    """Return whether an address has TLS, or is this machine's own, where nobody listens in between."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return bool(parts.hostname) and (parts.scheme == "https" or _is_loopback(address))


def _is_loopback(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "http" and parts.hostname in _LOOPBACK


def _check_together(settings: OidcSettings) -> None:
    if settings.client_secret and settings.client_secret_file:
        raise Invalid(f"{_PATH}: give client_secret or client_secret_file, not both", f"{_PATH}.client_secret")
    if "openid" not in settings.scopes:
        raise Invalid(f"{_PATH}.scopes: 'openid' is missing, without which no ID token comes", f"{_PATH}.scopes")
    settings.read_secret()


def _check_given(text: str, field: str) -> str:
    if not text.strip():
        raise Invalid(f"{field} is missing; the provider tells it where Serai is registered as a client", field)
    return text


def _check_address(value: object, field: str) -> str:
    text = _check_given(read_text(value, field), field)
    if not is_trusted_address(text) or "#" in text or "?" in text:
        raise Invalid(f"{field}: {text!r} has to be an address with https:// (http:// on this machine alone)", field)
    return text


def _read_secret(value: object, field: str) -> str:
    if not isinstance(value, str) or not value:
        raise Invalid(f"{field} has to be text", field)  # not quoted: it may be the secret
    return value


def _read_file(value: object, field: str) -> str:
    path = read_text(value, field)
    if not Path(path).is_file():
        raise Invalid(f"{field}: there is no file {path}", field)
    return path


def _read_algorithms(value: object, field: str) -> tuple[str, ...]:
    names = read_texts(value, field)
    if wrong := [name for name in names if name not in ALGORITHMS]:
        raise Invalid(f"{field}: {wrong[0]!r} is not taken; choose of {', '.join(ALGORITHMS)}", field)
    if not names:
        raise Invalid(f"{field} is empty, so no signature would be taken", field)
    return names


def _read_timeout(value: object, field: str) -> float:
    seconds = parse_duration(value, field)
    if not 0 < seconds <= 60 or not math.isfinite(seconds):
        raise Invalid(f"{field}: {value!r} has to be more than 0 and at most 60 seconds", field)
    return seconds


def _read_roles(value: object, field: str) -> Mapping[Role, tuple[str, ...]]:
    fields = Fields(value, field, list(Role))
    return {role: fields.get(role, read_texts, ()) for role in Role if fields.has(role)}


def _read_teams(value: object, field: str) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        raise Invalid(f"{field}: {value!r} has to be a table of teams with their groups", field)
    return {check_team(str(team), field): read_texts(groups, f"{field}.{team}") for team, groups in value.items()}
