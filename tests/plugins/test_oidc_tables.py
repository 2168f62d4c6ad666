"""The parts of serai_oidc that decide: settings, what claims come to, what a provider says of itself, its keys."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path

import jwt
import pytest

import serai_oidc.settings
from serai.domain.accounts import Role
from serai.domain.errors import Forbidden, Invalid, SeraiError
from serai_oidc.claims import make_person, needs_more
from serai_oidc.provider import make_basic, read_keys, read_metadata
from serai_oidc.settings import OidcSettings, is_trusted_address, load_settings
from serai_oidc.sign_in import make_challenge
from tests.plugins.oidc_provider import make_key

LEAST = {"issuer": "https://sso.example.org/realms/lab", "client_id": "serai"}
HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "sign-in-oidc.md"

# what is wrong with a table -> words of the sentence
WRONG: list[tuple[Mapping[str, object], str]] = [
    ({"issuer": ""}, "issuer is missing"),
    ({"client_id": ""}, "client_id is missing"),
    ({"issuer": "http://sso.example.org"}, "https://"),
    ({"issuer": "sso.example.org"}, "https://"),
    ({"issuer": "https://sso.example.org/?tenant=1"}, "https://"),
    ({"isuer": "https://sso.example.org"}, "did you mean 'issuer'"),
    ({"client_secret": "a", "client_secret_file": "b"}, "not both"),
    ({"client_secret_file": "/nowhere/secret"}, "/nowhere/secret cannot be read"),
    ({"client_secret": 5}, "has to be text"),
    ({"ca_file": "/nowhere/ca.pem"}, "there is no file"),
    ({"scopes": ["email"]}, "'openid' is missing"),
    ({"algorithms": ["HS256"]}, "'HS256' is not taken"),
    ({"algorithms": ["none"]}, "'none' is not taken"),
    ({"algorithms": []}, "is empty"),
    ({"role": "root"}, "administrator, member, viewer"),
    ({"roles": {"root": ["a"]}}, "root"),
    ({"roles": {"member": "ml"}}, "list of texts"),
    ({"teams": {"No Team": ["a"]}}, "cannot name a team"),
    ({"timeout": "5m"}, "at most 60"),
    ({"timeout": 0}, "at most 60"),
    ({"callback_url": "http://serai.example.org/login/oidc/callback"}, "https://"),
]


@pytest.mark.parametrize(("change", "words"), WRONG, ids=lambda value: str(value)[:40])
def test_a_table_that_is_wrong_is_refused_with_its_key(change: Mapping[str, object], words: str) -> None:
    with pytest.raises(Invalid, match=re.escape(words)) as raised:
        load_settings(LEAST | dict(change))
    assert raised.value.message.startswith(("plugin.oidc", "unknown key 'plugin.oidc", "'No Team'"))


def test_a_secret_is_never_told(tmp_path: Path) -> None:
    assert "hush" not in repr(load_settings(LEAST | {"client_secret": "hush"}))
    file = tmp_path / "secret"
    file.write_text("first\n")
    settings = load_settings(LEAST | {"client_secret_file": str(file)})
    assert settings.read_secret() == "first"
    file.write_text("second\n")
    assert settings.read_secret() == "second"
    file.unlink()
    with pytest.raises(Invalid, match="cannot be read"):
        settings.read_secret()


ADDRESSES = [
    ("https://a.example", True),
    ("http://127.0.0.1:9", True),
    ("http://localhost/x", True),
    ("http://[::1]:80/", True),
    ("http://a.example", False),
    ("http://127.0.0.1.evil.example", False),
    ("http://localhost@evil.example", False),
    ("https://", False),
    ("javascript:x", False),
    ("https://[", False),
    ("", False),
]


@pytest.mark.parametrize(("address", "is_trusted"), ADDRESSES)
def test_addresses_have_tls_or_are_this_machines(address: str, is_trusted: bool) -> None:
    assert is_trusted_address(address) is is_trusted


def settings_with(**changes: object) -> OidcSettings:
    return load_settings(LEAST | changes)


LENA: dict[str, object] = {
    "sub": "u-1",
    "preferred_username": "lena",
    "name": " Lena\n L ",
    "email": "lena@Example.org",
    "email_verified": True,
    "groups": ["ml", "all"],
}
ROLES = {"administrator": ["admins"], "member": ["ml", "ops"]}


def test_a_person_is_what_the_claims_say() -> None:
    person = make_person(LENA, settings_with(roles=ROLES, teams={"vision": ["ml"], "speech": ["sp"]}))
    assert (person.subject, person.login, person.name, person.email) == ("u-1", "lena", "Lena L", "lena@Example.org")
    assert (person.role, person.decides_role) == (Role.MEMBER, True)
    assert person.teams == {"vision": True, "speech": False}


# groups, settings -> role, whether it decides
ROLE_TABLE: list[tuple[object, Mapping[str, object], Role, bool]] = [
    (["admins", "ml"], {"roles": ROLES}, Role.ADMINISTRATOR, True),
    (["ops"], {"roles": ROLES}, Role.MEMBER, True),
    ([], {"roles": ROLES}, Role.VIEWER, True),
    (None, {"roles": ROLES}, Role.VIEWER, True),
    ("admins", {"roles": ROLES}, Role.ADMINISTRATOR, True),
    ({"admins": True}, {"roles": ROLES}, Role.VIEWER, True),
    ([["admins"], 5], {"roles": ROLES}, Role.VIEWER, True),
    (["Admins"], {"roles": ROLES}, Role.VIEWER, True),
    (["admins"], {"role": "member"}, Role.MEMBER, False),
    (["guests"], {"role": "member", "roles": {"viewer": ["guests"]}}, Role.VIEWER, True),
]


@pytest.mark.parametrize(("groups", "changes", "role", "decides"), ROLE_TABLE)
def test_groups_give_the_highest_role(groups: object, changes: dict[str, object], role: Role, decides: bool) -> None:
    person = make_person(LENA | {"groups": groups}, settings_with(**changes))
    assert (person.role, person.decides_role) == (role, decides)


# claims, settings -> words of the refusal, "" for none
DOORS: list[tuple[Mapping[str, object], Mapping[str, object], str]] = [
    ({}, {"groups": ["ml"]}, ""),
    ({}, {"groups": ["other"]}, "in none of the groups"),
    ({"groups": None}, {"groups": ["ml"]}, "in none of the groups"),
    ({}, {"domains": ["example.org"]}, ""),
    ({}, {"domains": ["@EXAMPLE.org"]}, ""),
    ({}, {"domains": ["example.com"]}, "of no domain"),
    ({"email": "lena@evil.example.org"}, {"domains": ["example.org"]}, "of no domain"),
    ({"email": "lena@evil-example.org"}, {"domains": ["example.org"]}, "of no domain"),
    ({"email_verified": False}, {"domains": ["example.org"]}, "not verified"),
    ({"email_verified": None}, {"domains": ["example.org"]}, "not verified"),
    ({"email_verified": "false"}, {"domains": ["example.org"]}, "not verified"),
    ({"email_verified": 1}, {"domains": ["example.org"]}, ""),
    ({"email": None}, {"domains": ["example.org"]}, "not verified"),
    ({"email_verified": False}, {}, ""),
    ({}, {"login_claim": "email"}, ""),
    ({"email_verified": False}, {"login_claim": "email"}, "has not verified that"),
    ({"preferred_username": None}, {}, "says no 'preferred_username'"),
    ({"preferred_username": ["lena"]}, {}, "says no 'preferred_username'"),
    ({"_claim_names": {"groups": "src1"}}, {"roles": ROLES}, "too many"),
    ({"_claim_names": {"groups": "src1"}}, {}, ""),
]


@pytest.mark.parametrize(("claims", "changes", "words"), DOORS)
def test_who_may_come_in(claims: dict[str, object], changes: dict[str, object], words: str) -> None:
    if words:
        with pytest.raises(Forbidden, match=words):
            make_person(LENA | claims, settings_with(**changes))
    else:
        assert make_person(LENA | claims, settings_with(**changes)).subject == "u-1"


def test_the_provider_is_asked_for_what_the_token_leaves_out() -> None:
    assert not needs_more({"sub": "u", "preferred_username": "l"}, settings_with())
    assert needs_more({"sub": "u"}, settings_with())
    assert needs_more({"sub": "u", "preferred_username": "l"}, settings_with(teams={"vision": ["ml"]}))
    assert needs_more({"sub": "u", "preferred_username": "l"}, settings_with(domains=["a.example"]))


def test_the_challenge_is_that_of_rfc_7636() -> None:
    assert (
        make_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


def test_id_and_secret_are_encoded_before_they_are_joined() -> None:
    assert base64.b64decode(make_basic("a:b", "c d/ü").removeprefix("Basic ")).decode() == "a%3Ab:c%20d%2F%C3%BC"


SAYS: dict[str, object] = {
    "issuer": LEAST["issuer"],
    "authorization_endpoint": "https://sso.example.org/auth",
    "token_endpoint": "https://sso.example.org/token",
    "jwks_uri": "https://sso.example.org/keys",
}


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": str(LEAST["issuer"]) + "/"},
        {"issuer": None},
        {"token_endpoint": "http://sso.example.org/token"},
        {"jwks_uri": None},
        {"userinfo_endpoint": "http://sso.example.org/me"},
        {"authorization_endpoint": 5},
    ],
    ids=str,
)
def test_a_description_of_another_or_without_tls_is_refused(change: dict[str, object]) -> None:
    assert read_metadata(SAYS, settings_with()).userinfo_endpoint == ""
    with pytest.raises(SeraiError) as raised:
        read_metadata(SAYS | change, settings_with())
    assert raised.value.code == "sign-in-unavailable"


# what the provider says it knows -> whether the secret is posted
METHODS = [
    (None, False),
    (["client_secret_basic", "client_secret_post"], False),
    (["client_secret_post"], True),
    (["private_key_jwt"], False),
    ("client_secret_post", False),
]


@pytest.mark.parametrize(("methods", "posts"), METHODS)
def test_how_the_secret_is_shown(methods: object, posts: bool) -> None:
    says = SAYS if methods is None else SAYS | {"token_endpoint_auth_methods_supported": methods}
    assert read_metadata(says, settings_with()).posts_secret is posts


def test_only_keys_for_signatures_that_are_taken_are_kept() -> None:
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(make_key("")[1].public_key()))
    entries: list[object] = [
        public | {"kid": "a"},
        public | {"kid": "b", "alg": "RS256"},
        public | {"kid": "c", "use": "enc"},
        public | {"kid": "d", "alg": "HS256"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "e"},
        {"kty": "RSA", "n": "?", "kid": "f"},
        "no key",
    ]
    found = read_keys({"keys": entries}, settings_with(algorithms=["RS256", "ES256"]))
    assert [(key.key_id, key.algorithm_name) for key in found] == [("a", "RS256"), ("b", "RS256")]
    assert read_keys({"keys": None}, settings_with()) == ()


def test_examples_of_the_howto_are_tables_that_are_taken(tmp_path: Path) -> None:
    import tomllib

    blocks = re.findall(r"```toml\n(.*?)```", HOWTO.read_text(encoding="utf-8"), re.DOTALL)
    secret = tmp_path / "secret"
    secret.write_text("s")
    for block in blocks:
        table = tomllib.loads(block)["plugin"]["oidc"]
        for key in ("client_secret_file", "ca_file"):
            if key in table:
                table[key] = str(secret)
        assert load_settings(table).client_id
    assert len(blocks) >= 3


def test_every_setting_is_in_the_howto() -> None:
    text = HOWTO.read_text(encoding="utf-8")
    for name in serai_oidc.settings.OidcSettings.__dataclass_fields__:
        assert f"`{name.removesuffix('_s')}`" in text, name
