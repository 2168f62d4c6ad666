"""The contract of a sign-in way: send a browser to who knows people, and tell who came back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from serai.domain.accounts import Role


@dataclass(frozen=True, slots=True)
class Departure:
    """Where the browser goes. `kept` comes back with it: the server keeps it in a signed cookie of that browser, which
    its owner can read and nobody can change."""

    address: str
    kept: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who was vouched for.

    `subject` never changes, whatever becomes of the login; `login` is what a new account is called. `role` is a new
    account's, and an existing one's as well with `decides_role`. `teams` are those that this way decides about, with
    whether the person is a member; others stay as they are.
    """

    subject: str
    login: str
    name: str = ""
    email: str = ""
    role: Role = Role.VIEWER
    decides_role: bool = False
    teams: Mapping[str, bool] = field(default_factory=dict)


class SignIn(ABC):
    """A button on the sign-in page, at `/login/<plugin>`; the browser comes back to `/login/<plugin>/callback`.

    The server owns the cookies, the check of `state`, the account, the session, and where the browser goes then; both
    verbs may be called from several threads at a time. A SeraiError is shown on the sign-in page and concerns nobody
    else: other ways go on while this one's provider is down.

        class Trusting(SignIn):
            label = "the intranet"
            def begin(self, callback_url, state): return Departure(f"https://sso.local/?to={callback_url}&state={state}")
            def finish(self, callback_url, answer, kept): return Person(ask_sso(answer["ticket"]), answer["user"])
    """

    label: str
    """What the button signs in with, as in "Sign in with <label>"."""

    callback_url: str = ""
    """Where the browser comes back, if it is not the address at which it left."""

    @abstractmethod
    def begin(self, callback_url: str, state: str) -> Departure:
        """Return where to send a browser, so that it comes back to `callback_url` with `state` in its query.

        Raise SeraiError where nobody can sign in at the moment.
        """

    @abstractmethod
    def finish(self, callback_url: str, answer: Mapping[str, str], kept: Mapping[str, str]) -> Person:
        """Return who came back with the query `answer`, whose state is that of the departure; `kept` is its own.

        Called once for each departure at most. Raise Unauthenticated or Forbidden for who may not come in.
        """

    def close(self) -> None:
        """Release what the sign-in way holds."""
