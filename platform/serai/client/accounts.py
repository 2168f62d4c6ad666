"""The calls about accounts, teams and access tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from .answers import JsonObject
from .connection import Connection, path_part
from .transport import Call


class AccountCalls(Connection):
    """Who may do what at a server. Accounts and teams are for administrators, tokens for everybody."""

    # accounts

    def list_users(self) -> list[JsonObject]:
        """Return the accounts by login, disabled ones too."""
        return cast(list[JsonObject], self._get_list("/users"))

    def get_user(self, login: str) -> JsonObject:
        return cast(JsonObject, self._get(_user_path(login)))

    def create_user(self, values: Mapping[str, Any]) -> JsonObject:
        """Make an account of `login`, name, email, role and password; all but the login may be left out."""
        return cast(JsonObject, self._send(Call("POST", "/users", json=dict(values), idempotent=False)).json())

    def change_user(self, login: str, values: Mapping[str, Any]) -> JsonObject:
        """Change name, email, role or disabled."""
        return cast(JsonObject, self._send(Call("PATCH", _user_path(login), json=dict(values))).json())

    def set_password(self, login: str, password: str) -> None:
        """Give an account another password, which ends its sign-ins."""
        self._send(Call("PUT", f"{_user_path(login)}/password", json={"password": password}))

    def reset_password(self, login: str, expires_in: str | None = None) -> JsonObject:
        """Return `{login, url, expires_at}`: an address at which the person sets the account's password, once."""
        body = {} if expires_in is None else {"expires_in": expires_in}
        call = Call("POST", f"{_user_path(login)}/reset", json=body, idempotent=False)
        return cast(JsonObject, self._send(call).json())

    def delete_user(self, login: str) -> None:
        """Delete an account with its tokens. Conflict while it owns deployments."""
        self._send(Call("DELETE", _user_path(login)))

    # teams

    def list_teams(self) -> list[JsonObject]:
        """Return the teams by name, each with its `members`."""
        return cast(list[JsonObject], self._get_list("/teams"))

    def put_team(self, name: str, values: Mapping[str, Any]) -> JsonObject:
        """Make a team, or change one: about, members. What is left out stays."""
        return cast(JsonObject, self._send(Call("PUT", _team_path(name), json=dict(values))).json())

    def delete_team(self, name: str) -> None:
        """Delete a team. Conflict while it owns deployments."""
        self._send(Call("DELETE", _team_path(name)))

    # tokens

    def sign_in(self, login: str, password: str, values: Mapping[str, Any]) -> JsonObject:
        """Return a token for login and password, of `name`, permissions and expires_in; needs none before."""
        body = {"login": login, "password": password, **values}
        return cast(JsonObject, self._send(Call("POST", "/sign-in", json=body, idempotent=False)).json())

    def list_tokens(self) -> list[JsonObject]:
        """Return one's own tokens (an administrator's are all), without their plain text."""
        return cast(list[JsonObject], self._get_list("/tokens"))

    def create_token(self, values: Mapping[str, Any]) -> JsonObject:
        """Return the new token with its plain text, which is never shown again."""
        return cast(JsonObject, self._send(Call("POST", "/tokens", json=dict(values), idempotent=False)).json())

    def revoke_token(self, token_id: int) -> None:
        self._send(Call("DELETE", f"/tokens/{token_id}"))


def _user_path(login: str) -> str:
    return f"/users/{path_part(login)}"


def _team_path(name: str) -> str:
    return f"/teams/{path_part(name)}"
