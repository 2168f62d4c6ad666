"""Users, teams and one's own account on the pages: what is done, who is refused, and that the pages are sound."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import expect
from werkzeug.test import TestResponse

from serai.domain.accounts import Account, Role, Team
from serai.plugin import Permission
from serai.store import tokens
from serai.store.accounts import create_account, find_account
from serai.store.passwords import find_by_password, set_password
from serai.store.teams import create_team, find_team
from tests.ui.browser import Watched, sign_in
from tests.ui.conftest import enter
from tests.ui.stage import Stage
from tests.ui.test_every_page import NARROW, find_problems, overflow

SECRET = "correct horse battery"
OTHER = "staple of another kind"


@dataclass
class Visitor:
    """A browser without a window: one session, its forms sent with its own CSRF token."""

    client: FlaskClient

    def get(self, path: str) -> TestResponse:
        return self.client.get(path)

    def send(self, path: str, **values: str) -> TestResponse:
        csrf = self.get("/").text.partition('name="csrf" content="')[2].partition('"')[0]
        return self.client.post(path, data={"csrf": csrf} | values)


def visit(stage: Stage, token: str = "") -> Visitor:
    client = stage.app.test_client()
    assert client.post("/login", data={"token": token or stage.token}).status_code == 302
    return Visitor(client)


def add(stage: Stage, login: str, role: Role = Role.MEMBER, password: str = SECRET) -> None:
    create_account(stage.core.db, Account(login, login.title(), "", role, stage.clock()), "ada")
    if password:
        set_password(stage.core.db, login, password, stage.clock(), "ada")


def visit_as(stage: Stage, login: str, role: Role = Role.MEMBER, permission: Permission = Permission.ADMIN) -> Visitor:
    """Make an account and sign it in by a token, which can do no more than the account."""
    add(stage, login, role)
    return visit(stage, stage.make_token(login, permission))


# who gets there


@pytest.mark.parametrize(
    "path",
    [
        "/users",
        "/users/bob/role",
        "/users/bob/state",
        "/users/bob/password",
        "/users/bob/reset",
        "/users/bob/delete",
        "/teams",
        "/teams/vision/edit",
        "/teams/vision/delete",
    ],
)
def test_everybody_but_an_administrator_is_refused(closed: Stage, path: str) -> None:
    add(closed, "bob")
    create_team(closed.core.db, Team("vision", "", closed.clock(), ("bob",)), "ada")
    ann = visit_as(closed, "ann")
    answer = ann.send(
        path, role="administrator", state="disabled", password=OTHER, confirm="bob", login="eve", name="eve"
    )
    assert answer.status_code == 403
    assert "That did not work" in answer.text
    bob = find_account(closed.core.db, "bob")
    assert bob and (bob.role, bob.is_disabled) == (Role.MEMBER, False)
    assert find_by_password(closed.core.db, "bob", SECRET)
    assert not find_account(closed.core.db, "eve") and not find_team(closed.core.db, "eve")
    assert find_team(closed.core.db, "vision")


def test_the_way_to_the_page_is_shown_to_administrators_alone(closed: Stage) -> None:
    ann = visit_as(closed, "ann")
    assert 'href="/users"' in visit(closed).get("/").text
    assert 'href="/users"' not in ann.get("/").text
    assert ann.get("/users").status_code == 403
    assert 'href="/account"' in ann.get("/").text


def test_a_form_without_the_sessions_token_changes_nothing(closed: Stage) -> None:
    add(closed, "bob")
    client = visit(closed).client
    for path in ("/users", "/users/bob/delete", "/teams", "/account/password", "/account/tokens"):
        assert client.post(path, data={"login": "eve", "name": "eve", "confirm": "bob"}).status_code == 403
    assert find_account(closed.core.db, "bob")


# accounts


def test_an_account_is_made_and_signs_in_with_its_password(closed: Stage) -> None:
    before = closed.core.changes.index()
    values = {"login": " Bob ", "name": "Bob B", "email": "bob@example.com", "role": "viewer", "password": SECRET}
    answer = visit(closed).send("/users", **values)
    assert (answer.status_code, answer.location) == (303, "/users?note=account-made")
    bob = find_by_password(closed.core.db, "bob", SECRET)
    assert bob and (bob.name, bob.email, bob.role) == ("Bob B", "bob@example.com", Role.VIEWER)
    assert closed.core.changes.index() > before


@pytest.mark.parametrize(
    ("values", "status", "sentence"),
    [
        ({"login": "no spaces"}, 422, "cannot be a login"),
        ({"login": ""}, 422, "cannot be a login"),
        ({"login": "bob"}, 409, "choose another login"),
        ({"login": "admin"}, 409, "own; choose another"),
        ({"login": "eve", "password": "short"}, 422, "too few"),
        ({"login": "eve", "role": "king"}, 422, "role"),
        ({"login": "eve", "name": "x" * 201}, 422, "name"),
    ],
)
def test_an_account_that_cannot_be_is_refused_with_a_sentence(
    closed: Stage, values: dict[str, str], status: int, sentence: str
) -> None:
    add(closed, "bob")
    answer = visit(closed).send("/users", **({"email": "typed@example.com"} | values))
    problem = answer.text.partition('role="alert">')[2].partition("</p>")[0]
    assert (answer.status_code, sentence in problem) == (status, True), problem
    assert "typed@example.com" in answer.text  # nothing typed is lost, but the password
    assert 'value="short"' not in answer.text and not find_account(closed.core.db, "eve")


def test_role_state_and_password_are_changed(closed: Stage) -> None:
    bob = visit_as(closed, "bob")
    ada = visit(closed)
    assert ada.send("/users/bob/role", role="viewer").location == "/users?note=saved"
    assert bob.send("/account/tokens", name="x", permission="write").status_code == 403
    assert ada.send("/users/bob/password", password=OTHER).status_code == 303
    assert bob.get("/").status_code == 302  # its sessions ended
    assert find_by_password(closed.core.db, "bob", OTHER) and not find_by_password(closed.core.db, "bob", SECRET)
    assert ada.send("/users/bob/state", state="disabled").status_code == 303
    assert not find_by_password(closed.core.db, "bob", OTHER)
    assert ada.send("/users/bob/state", state="active").status_code == 303
    assert find_by_password(closed.core.db, "bob", OTHER)


def test_a_refused_change_is_said_at_the_account(closed: Stage) -> None:
    add(closed, "bob")
    answer = visit(closed).send("/users/bob/password", password="short")
    assert answer.status_code == 422
    forms = answer.text.partition('id="account-bob-forms"')[2]
    assert "too few" in forms and "data-live" not in answer.text
    assert visit(closed).send("/users/nobody/role", role="viewer").status_code == 404


def test_deleting_asks_for_the_login_and_says_what_is_owned(closed: Stage) -> None:
    bob = visit_as(closed, "bob")
    ada = visit(closed)
    assert "type &#39;bob&#39;" in ada.send("/users/bob/delete", confirm="bo").text
    assert find_account(closed.core.db, "bob")
    assert ada.send("/users/bob/delete", confirm="bob").location == "/users?note=account-deleted"
    assert not find_account(closed.core.db, "bob") and bob.get("/").status_code == 302
    add(closed, "ada", Role.ADMINISTRATOR, password="")  # who looks owns what the stage deploys
    closed.deploy("digits")
    root = visit(closed, closed.make_token("root", Permission.ADMIN))
    answer = root.send("/users/ada/delete", confirm="ada")
    assert answer.status_code == 409 and "ada owns digits" in answer.text


def test_nobody_shuts_themselves_out(closed: Stage) -> None:
    ann = visit_as(closed, "ann", Role.ADMINISTRATOR)
    for path in ("role", "state", "reset", "delete"):
        answer = ann.send(f"/users/ann/{path}", role="viewer", state="disabled", confirm="ann")
        assert answer.status_code == 409 and "your own account" in answer.text
    account = find_account(closed.core.db, "ann")
    assert account and (account.role, account.is_disabled) == (Role.ADMINISTRATOR, False)


# teams


def test_the_life_of_a_team(closed: Stage) -> None:
    add(closed, "bob")
    add(closed, "eve")
    ada = visit(closed)
    assert ada.send("/teams", name="vision", about="eyes", members="Bob, eve,").location == "/users?note=team-made"
    made = find_team(closed.core.db, "vision")
    assert made and (made.about, made.members) == ("eyes", ("bob", "eve"))
    answer = ada.send("/teams/vision/edit", about="", members="bob nobody")
    assert answer.status_code == 422 and "no account &#39;nobody&#39;" in answer.text
    assert 'value="bob nobody"' in answer.text
    assert ada.send("/teams/vision/edit", about="sight", members="eve").location == "/users?note=saved"
    changed = find_team(closed.core.db, "vision")
    assert changed and (changed.about, changed.members) == ("sight", ("eve",))
    assert ada.send("/teams/vision/delete", confirm="no").status_code == 422
    assert ada.send("/teams/vision/delete", confirm="vision").location == "/users?note=team-deleted"
    assert not find_team(closed.core.db, "vision")


@pytest.mark.parametrize(
    ("name", "members", "status"), [("No Name", "", 422), ("vision", "", 409), ("new", "bad/login", 422)]
)
def test_a_team_that_cannot_be_is_refused(closed: Stage, name: str, members: str, status: int) -> None:
    create_team(closed.core.db, Team("vision", "", closed.clock()), "ada")
    answer = visit(closed).send("/teams", name=name, members=members)
    assert answer.status_code == status and 'role="alert"' in answer.text
    assert not find_team(closed.core.db, "new")


# one's own account


def test_a_new_password_of_ones_own_ends_the_other_sessions_and_not_this_one(closed: Stage) -> None:
    viewer = visit_as(closed, "ann", Role.VIEWER)  # who may only look may do this as well
    other = visit(closed, closed.make_token("ann", Permission.READ))
    answer = viewer.send("/account/password", current=SECRET, new=OTHER, again=OTHER)
    assert answer.location == "/account?note=password-changed"
    assert find_by_password(closed.core.db, "ann", OTHER)
    assert viewer.get("/account").status_code == 200
    assert other.get("/account").status_code == 302


@pytest.mark.parametrize(
    ("current", "new", "again", "sentence"),
    [
        ("wrong", OTHER, OTHER, "current password is not right"),
        ("", OTHER, OTHER, "current password is not right"),
        (SECRET, OTHER, "typing error", "are not the same"),
        (SECRET, "short", "short", "too few"),
    ],
)
def test_a_password_stays_unless_all_is_right(closed: Stage, current: str, new: str, again: str, sentence: str) -> None:
    ann = visit_as(closed, "ann")
    answer = ann.send("/account/password", current=current, new=new, again=again)
    assert answer.status_code == 422 and sentence in answer.text
    assert find_by_password(closed.core.db, "ann", SECRET)


def test_a_stolen_session_does_not_guess_the_password_for_long(closed: Stage) -> None:
    ann = visit_as(closed, "ann")
    for _ in range(10):
        assert ann.send("/account/password", current="guess", new=OTHER, again=OTHER).status_code == 422
    assert ann.send("/account/password", current=SECRET, new=OTHER, again=OTHER).status_code == 429
    assert find_by_password(closed.core.db, "ann", SECRET)


def test_who_has_no_password_here_is_told_why(closed: Stage) -> None:
    assert "there is no account ada" in visit(closed).get("/account").text
    add(closed, "bob", password="")
    bob = visit(closed, closed.make_token("bob", Permission.WRITE))
    assert "no password yet" in bob.get("/account").text
    assert bob.send("/account/password", current="", new=OTHER, again=OTHER).status_code == 422
    assert not find_by_password(closed.core.db, "bob", OTHER)


def test_a_token_is_made_shown_once_and_revoked(closed: Stage) -> None:
    ann = visit_as(closed, "ann")
    answer = ann.send("/account/tokens", name="ci", permission="read", expires_in="30d")
    secret = answer.text.partition('id="secret">')[2].partition("<")[0]
    token = tokens.find_token(closed.core.db, secret, closed.clock())
    assert token and (token.login, token.permissions) == ("ann", frozenset({Permission.READ})) and token.expires_at
    page = ann.get("/account").text
    assert token.prefix in page and secret not in page and "browser session" not in page
    assert ann.send(f"/account/tokens/{token.id}/revoke", confirm="no").status_code == 422
    assert ann.send(f"/account/tokens/{token.id}/revoke", confirm=token.prefix).status_code == 303
    assert tokens.find_token(closed.core.db, secret, closed.clock()) is None


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"name": "up", "permission": "admin"}, 403),
        ({"name": "side", "permission": "gateway"}, 403),
        ({"name": "", "permission": "read"}, 422),
        ({"name": "none"}, 422),
        ({"name": "odd", "permission": "king"}, 422),
        ({"name": "odd", "permission": "read", "expires_in": "soon"}, 422),
    ],
)
def test_a_token_that_cannot_be_is_refused_with_a_sentence(closed: Stage, values: dict[str, str], status: int) -> None:
    ann = visit_as(closed, "ann")
    before = tokens.list_tokens(closed.core.db)
    answer = ann.send("/account/tokens", **values)
    assert answer.status_code == status and 'class="problem" role="alert"' in answer.text
    assert [token.id for token in tokens.list_tokens(closed.core.db)] == [token.id for token in before]
    assert '<option value="admin"' not in answer.text


def test_somebody_elses_token_is_not_there_even_for_an_administrator(closed: Stage) -> None:
    closed.make_token("bob", Permission.READ)
    theirs = next(token for token in tokens.list_tokens(closed.core.db) if token.login == "bob")
    answer = visit(closed).send(f"/account/tokens/{theirs.id}/revoke", confirm=theirs.prefix)
    assert answer.status_code == 404 and tokens.get_token(closed.core.db, theirs.id)


def test_who_may_only_look_makes_and_revokes_tokens_that_read(closed: Stage) -> None:
    ann = visit_as(closed, "ann", Role.VIEWER)
    options = ann.get("/account").text.partition('<select name="permission">')[2].partition("</select>")[0]
    assert options.count("<option") == 1 and 'value="read"' in options
    assert ann.send("/account/tokens", name="x", permission="write").status_code == 403
    answer = ann.send("/account/tokens", name="x", permission="read")
    secret = answer.text.partition('id="secret">')[2].partition("<")[0]
    token = tokens.find_token(closed.core.db, secret, closed.clock())
    assert token and token.permissions == {Permission.READ}
    assert ann.send(f"/account/tokens/{token.id}/revoke", confirm=token.prefix).status_code == 303
    assert tokens.find_token(closed.core.db, secret, closed.clock()) is None


def test_a_login_on_the_command_line_is_listed_and_revoked_like_a_token(closed: Stage) -> None:
    ann = visit_as(closed, "ann")
    body = {"login": "ann", "password": SECRET, "name": "serai login on laptop"}
    made = closed.app.test_client().post("/api/v1/sign-in", json=body).json
    assert "serai login on laptop" in ann.get("/account").text
    assert ann.send(f"/account/tokens/{made['id']}/revoke", confirm=made["prefix"]).status_code == 303
    assert tokens.find_token(closed.core.db, made["token"], closed.clock()) is None


# invitations and forgotten passwords


def address_of(answer: TestResponse) -> str:
    """Return the address that a page shows, as a path."""
    return "/" + answer.text.partition('id="address">')[2].partition("<")[0].split("/", 3)[3]


def test_an_account_without_a_password_is_an_invitation(closed: Stage) -> None:
    answer = visit(closed).send("/users", login="bob", role="viewer")
    assert answer.status_code == 200 and "Hand it on now" in answer.text
    path = address_of(answer)
    page = visit(closed).get(path)  # who is signed in already may be somebody else
    assert page.status_code == 200 and "For the account <strong>bob</strong>. ada made this address" in page.text
    client = closed.app.test_client()
    form = {"code": path.partition("code=")[2], "new": OTHER, "again": OTHER}
    assert client.post("/login/new-password", data=form).location == "/login?note=password-chosen"
    assert find_by_password(closed.core.db, "bob", OTHER)


def test_an_administrator_makes_an_address_for_who_forgot_the_password(closed: Stage) -> None:
    bob = visit_as(closed, "bob")
    ada = visit(closed)
    path = address_of(ada.send("/users/bob/reset", expires_in="1h"))
    assert path.partition("code=")[2] not in ada.get("/users").text + ada.get("/events").text
    assert bob.get("/").status_code == 200, "nothing has ended yet"
    form = {"code": path.partition("code=")[2], "new": OTHER, "again": OTHER}
    assert closed.app.test_client().post("/login/new-password", data=form).status_code == 303
    assert bob.get("/").status_code == 302 and find_by_password(closed.core.db, "bob", OTHER)
    answer = ada.send("/users/bob/reset", expires_in="31d")
    assert answer.status_code == 422 and "at most 30d" in answer.text
    assert ada.send("/users/nobody/reset").status_code == 404
    ada.send("/users/bob/state", state="disabled")
    assert "/users/bob/reset" not in ada.get("/users").text
    assert ada.send("/users/bob/reset").status_code == 409


# in a browser


@pytest.mark.browser
def test_an_administrator_works_through_the_pages(stage: Stage, looked: Watched) -> None:
    page = enter(looked, stage, "/users")
    page.fill("#new-account [name=login]", "bob")
    page.fill("#new-account [name=password]", SECRET)
    with page.expect_navigation():
        page.click("text=Make the account")
    expect(page.locator("#account-bob")).to_contain_text("password")
    page.click("#account-bob-change > summary")
    page.select_option("#account-bob-change [name=role]", "viewer")
    with page.expect_navigation():
        page.click("text=Change the role")
    expect(page.locator("#account-bob")).to_contain_text("viewer")
    page.click("#new-team > summary")
    page.fill("#new-team [name=name]", "vision")
    page.fill("#new-team [name=members]", "bob")
    with page.expect_navigation():
        page.click("text=Make the team")
    expect(page.locator("#team-vision")).to_contain_text("bob")
    add(stage, "eve")
    stage.core.changes.bump("")
    expect(page.locator("#account-eve")).to_be_visible()  # by itself
    page.click("#account-bob-change > summary")
    assert not find_problems(page, "users-open")
    assert overflow(page) <= 0


@pytest.mark.browser
def test_an_account_of_a_person_is_sound_and_narrow(stage: Stage, looked: Watched) -> None:
    add(stage, "ann", Role.ADMINISTRATOR)
    add(stage, "b" * 60)
    create_team(stage.core.db, Team("vision", "", stage.clock(), ("ann", "b" * 60)), "ada")
    sign_in(looked.page.context, stage.url, stage.make_token("ann", Permission.ADMIN))
    for name, path in (("account-person", "/account"), ("users-long", "/users")):
        looked.page.goto(stage.url + path)
        assert not find_problems(looked.page, name)
        looked.page.set_viewport_size({"width": 360, "height": NARROW[1]})
        assert overflow(looked.page) <= 0, path


@pytest.mark.browser
def test_an_invitation_from_the_page_to_the_first_sign_in_is_sound_and_narrow(stage: Stage, looked: Watched) -> None:
    looked.expects = ("401 (UNAUTHORIZED)", "status of 422")
    page = enter(looked, stage, "/users")
    page.fill("#new-account [name=login]", "bob")
    with page.expect_navigation():
        page.click("text=Make the account")
    assert not find_problems(page, "reset-address")
    address = page.locator("#address").inner_text()
    page.context.clear_cookies()
    page.goto(address)
    assert not find_problems(page, "new-password")
    page.set_viewport_size({"width": 360, "height": NARROW[1]})
    assert overflow(page) <= 0
    page.fill("#new", "short")
    page.fill("#again", "short")
    with page.expect_navigation():
        page.click("text=Set the password")
    expect(page.locator("[role=alert]")).to_contain_text("too few")
    page.fill("#new", SECRET)
    page.fill("#again", SECRET)
    with page.expect_navigation():
        page.click("text=Set the password")
    expect(page.locator("#note")).to_contain_text("sign in with it")
    page.fill("#login", "bob")
    page.fill("#password", SECRET)
    with page.expect_navigation():
        page.click("#by-password button")
    expect(page.locator("header .login")).to_have_text("bob")
    page.goto(address)
    expect(page.locator("[role=alert]")).to_contain_text("used already")
    assert not find_problems(page, "new-password-used")
