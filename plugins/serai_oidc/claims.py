"""What a provider says of somebody as the person that Serai takes in, or a refusal. No I/O."""

from __future__ import annotations

from collections.abc import Mapping

from serai.domain.accounts import Role
from serai.domain.errors import Forbidden
from serai.plugin import Person

from .settings import OidcSettings

Claims = Mapping[str, object]
_REFUSED = "sign-in-refused"
_HIGHEST_FIRST = (Role.ADMINISTRATOR, Role.MEMBER, Role.VIEWER)
_MAX_TEXT = 200


def make_person(claims: Claims, settings: OidcSettings) -> Person:
    """Return who the checked `claims` are about. Raise Forbidden for who may not come in, and why."""
    login, groups = _login_of(claims, settings), groups_of(claims, settings)
    _check_domain(claims, settings)
    if settings.groups and not groups & set(settings.groups):
        raise Forbidden(f"{login} is in none of the groups that may sign in here; ask an administrator", _REFUSED)
    return Person(
        subject=str(claims["sub"]),
        login=login,
        name=_text(claims, settings.name_claim),
        email=_text(claims, "email"),
        role=role_of(groups, settings),
        decides_role=bool(settings.roles),
        teams={team: bool(groups & set(wanted)) for team, wanted in settings.teams.items()},
    )


def needs_more(claims: Claims, settings: OidcSettings) -> bool:
    """Return whether something is missing that the provider may say when it is asked about the person."""
    wanted = {settings.login_claim, *([settings.groups_claim] if _uses_groups(settings) else [])}
    wanted |= {"email", "email_verified"} if settings.domains or settings.login_claim == "email" else set()
    return not wanted <= claims.keys()


def groups_of(claims: Claims, settings: OidcSettings) -> frozenset[str]:
    """Return the groups of somebody. Raise Forbidden where they matter and the provider left them out as too many."""
    elsewhere = claims.get("_claim_names")
    if _uses_groups(settings) and isinstance(elsewhere, Mapping) and settings.groups_claim in elsewhere:
        raise Forbidden(
            "The provider leaves your groups out, as there are too many; an administrator can have it name those"
            " alone that are assigned to Serai",
            _REFUSED,
        )
    value = claims.get(settings.groups_claim)
    found = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return frozenset(group for group in found if isinstance(group, str))


def role_of(groups: frozenset[str], settings: OidcSettings) -> Role:
    """Return the highest role that one of the groups gives, else that of everybody."""
    given = (role for role in _HIGHEST_FIRST if groups & set(settings.roles.get(role, ())))
    return next(given, settings.role)


def _login_of(claims: Claims, settings: OidcSettings) -> str:
    login = _text(claims, settings.login_claim)
    if not login:
        raise Forbidden(
            f"The provider says no {settings.login_claim!r} of you, which is the login here; an administrator can"
            " have it say so, or name another claim as plugin.oidc.login_claim",
            _REFUSED,
        )
    if settings.login_claim == "email" and not _is_verified(claims):
        raise Forbidden(f"The provider has not verified that {login} is your address", _REFUSED)
    return login


def _check_domain(claims: Claims, settings: OidcSettings) -> None:
    if not settings.domains:
        return
    email = _text(claims, "email")
    if not _is_verified(claims):
        raise Forbidden("The provider has not verified your e-mail address, which decides who may sign in", _REFUSED)
    if email.lower().rpartition("@")[2] not in settings.domains:
        raise Forbidden(f"{email} is of no domain that may sign in here ({', '.join(settings.domains)})", _REFUSED)


def _is_verified(claims: Claims) -> bool:
    return claims.get("email_verified") in (True, "true") and "@" in _text(claims, "email")


def _uses_groups(settings: OidcSettings) -> bool:
    return bool(settings.groups or settings.roles or settings.teams)


def _text(claims: Claims, name: str) -> str:
    value = claims.get(name)
    return " ".join(value.split())[:_MAX_TEXT] if isinstance(value, str) else ""
