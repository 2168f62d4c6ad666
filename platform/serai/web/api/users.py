"""Accounts of people who sign in, for administrators."""

from __future__ import annotations

from dataclasses import replace

from flask import request

from serai.domain.accounts import Account
from serai.plugin.identity import Permission
from serai.store import accounts
from serai.store.passwords import open_account, set_password
from serai.web.dump import dump_account, dump_instant
from serai.web.endpoint import Answer, Call, Resource
from serai.web.reset_address import make_reset_address
from serai.web.shapes.sign_in import ResetAnswer, ResetBody
from serai.web.shapes.users import LoginPath, PasswordBody, UserAnswer, UserBody, UserChangeBody, UsersAnswer

resource = Resource("users", "Accounts of people who sign in, with their roles. For administrators.")
_RULE = "/users/<login>"


@resource.on("GET", "/users", Permission.ADMIN, {200: UsersAnswer})
def list_users(call: Call) -> Answer:
    """List the accounts, disabled ones too."""
    return Answer([dump_account(account) for account in accounts.list_accounts(call.core.db)])


@resource.on("POST", "/users", Permission.ADMIN, {201: UserAnswer}, refuses=(409,), takes=UserBody)
def create_user(call: Call, body: UserBody) -> Answer:
    """Make an account, which signs in with its password."""
    wanted = Account(body.login, body.name, body.email, body.role, call.core.clock())
    made = open_account(call.core.db, wanted, body.password, call.caller.login)
    call.core.changes.bump("")
    return Answer(dump_account(made), 201)


@resource.on("PUT", f"{_RULE}/password", Permission.ADMIN, {204: None}, refuses=(404, 409), takes=PasswordBody)
def put_password(call: Call, path: LoginPath, body: PasswordBody) -> Answer:
    """Give an account another password. It ends the account's sign-ins; its tokens stay."""
    set_password(call.core.db, path.login, body.password, call.core.clock(), call.caller.login)
    call.core.changes.bump("")
    return Answer(None, 204)


@resource.on("POST", f"{_RULE}/reset", Permission.ADMIN, {201: ResetAnswer}, refuses=(404, 409), takes=ResetBody)
def reset_password(call: Call, path: LoginPath, body: ResetBody) -> Answer:
    """Make an address at which the person sets the account's password, once. It is in this answer and nowhere else.

    An earlier address is void from then on. The password of now goes on until another one is set; that ends the
    account's sign-ins, and its tokens stay. Made for an account without a password it is its invitation.
    """
    reset, url = make_reset_address(call.core, request, path.login, body.expires_in, call.caller.login)
    return Answer({"login": reset.login, "url": url, "expires_at": dump_instant(reset.expires_at)}, 201)


@resource.on("GET", _RULE, Permission.ADMIN, {200: UserAnswer}, refuses=(404,))
def read_user(call: Call, path: LoginPath) -> Answer:
    """Read an account."""
    return Answer(dump_account(accounts.get_account(call.core.db, path.login)))


@resource.on("PATCH", _RULE, Permission.ADMIN, {200: UserAnswer}, refuses=(404,), takes=UserChangeBody)
def change_user(call: Call, path: LoginPath, body: UserChangeBody) -> Answer:
    """Change an account's name, role or state. It holds with the next request of every token and session."""
    db = call.core.db
    with db.write():
        wanted = _apply(accounts.get_account(db, path.login), body)
        after = accounts.change_account(db, wanted, call.core.clock(), call.caller.login)
    call.core.changes.bump("")
    return Answer(dump_account(after))


@resource.on("DELETE", _RULE, Permission.ADMIN, {204: None}, refuses=(404, 409))
def delete_user(call: Call, path: LoginPath) -> Answer:
    """Delete an account that owns no deployment, with its tokens and sessions."""
    accounts.delete_account(call.core.db, path.login, call.core.clock(), call.caller.login)
    call.core.changes.bump("")
    return Answer(None, 204)


def _apply(account: Account, body: UserChangeBody) -> Account:
    return replace(
        account,
        name=account.name if body.name is None else body.name,
        email=account.email if body.email is None else body.email,
        role=account.role if body.role is None else body.role,
        is_disabled=account.is_disabled if body.disabled is None else body.disabled,
    )
