"""`serai keys` against a real server: tables, the secret alone on standard output, exit codes, --json."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Serai


def test_the_life_of_a_key(serai: Serai) -> None:
    made = serai("keys", "create", "ci", "--expires", "90d")
    secret = made.stdout.strip()
    assert secret.startswith("sk_") and "\n" not in secret and "never shown again" in made.stderr
    listed = serai("keys", "ls").stdout
    assert secret[:9] in listed and secret not in listed and "all deployments of admin" in listed and "never" in listed
    [key] = serai.json("keys", "ls")
    assert (key["name"], key["deployments"], key["owner"]) == ("ci", None, "admin") and "key" not in key
    serai("keys", "edit", "ci", "--name", "phone", "--expires", "never")
    assert [(k["name"], k["expires_at"]) for k in serai.json("keys", "ls")] == [("phone", None)]
    rotated = serai.json("keys", "rotate", str(key["id"]), "--overlap", "1h")
    assert rotated["key"] != secret and len(rotated["secrets"]) == 2
    assert secret[:9] in serai("keys", "ls").stdout
    serai("keys", "create", "phone")
    assert "give the number" in serai("keys", "revoke", "phone", "--yes", code=1).stderr
    assert "give --yes" in serai("keys", "revoke", str(key["id"]), code=2).stderr
    for item in serai.json("keys", "ls"):
        assert "is revoked" in serai("keys", "revoke", str(item["id"]), "--yes").stdout
    assert "There are no keys" in serai("keys", "ls").stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("create", "x", "--deployment", "nowhere"), 2, "nowhere"),
        (("create", "x", "--expires", "soon"), 2, "expires_in"),
        (("create", "two\nlines"), 2, "name"),
        (("ls", "--deployment", "nowhere"), 1, "nowhere"),
        (("edit", "1", "--all", "--deployment", "a"), 2, "exclude"),
        (("edit", "1"), 2, "nothing to change"),
        (("edit", "999", "--name", "x"), 1, "no key 999"),
        (("rotate", "nobody's"), 1, "no key named"),
        (("rotate", "999"), 1, "no key 999"),
        (("revoke", "999", "--yes"), 1, "no key 999"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_an_exit_code(
    serai: Serai, words: tuple[str, ...], code: int, said: str
) -> None:
    assert said in serai("keys", *words, code=code).stderr
