"""The authorization code flow with PKCE (RFC 7636) and nonce: away with a challenge, back with a code."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from urllib.parse import urlencode

from serai.domain.errors import Unauthenticated
from serai.plugin import Departure, Person, SignIn

from .claims import Claims, make_person, needs_more
from .id_token import UnknownKey, check_id_token, refuse
from .provider import Provider
from .settings import OidcSettings


class OidcSignIn(SignIn):
    """Signs in by the provider of `settings`."""

    def __init__(self, settings: OidcSettings, provider: Provider) -> None:
        self._settings = settings
        self._provider = provider
        self.label = settings.label
        self.callback_url = settings.callback_url

    def begin(self, callback_url: str, state: str) -> Departure:
        nonce, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        endpoint = self._provider.metadata().authorization_endpoint
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": callback_url,
            "scope": " ".join(self._settings.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": make_challenge(verifier),
            "code_challenge_method": "S256",
        }
        separator = "&" if "?" in endpoint else "?"
        return Departure(endpoint + separator + urlencode(query), {"nonce": nonce, "verifier": verifier})

    def finish(self, callback_url: str, answer: Mapping[str, str], kept: Mapping[str, str]) -> Person:
        _check_answer(answer, self._settings.issuer)
        id_token, access_token = self._provider.exchange(answer["code"], kept["verifier"], callback_url)
        claims = self._check(id_token, kept["nonce"])
        if access_token and needs_more(claims, self._settings):
            claims = self._complete(claims, access_token)
        return make_person(claims, self._settings)

    def _check(self, id_token: str, nonce: str) -> Claims:
        """Check a token by the keys at hand, and once more by those of now: the provider may have changed them."""
        try:
            return check_id_token(id_token, self._provider.keys(), self._settings, nonce)
        except UnknownKey:
            pass
        try:
            return check_id_token(id_token, self._provider.keys(afresh=True), self._settings, nonce)
        except UnknownKey as error:
            raise refuse(f"the provider has no key {error} for its signature") from error

    def _complete(self, claims: Claims, access_token: str) -> Claims:
        """Return the claims with what the provider says besides; the signed ones win."""
        if not self._provider.metadata().userinfo_endpoint:
            return claims
        more = self._provider.ask_about(access_token)
        if more.get("sub") != claims["sub"]:
            raise refuse("what it says besides is about somebody else")
        return {**more, **claims}


def make_challenge(verifier: str) -> str:
    """Return the S256 challenge of a verifier: BASE64URL(SHA256(verifier)), without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _check_answer(answer: Mapping[str, str], issuer: str) -> None:
    """Refuse an answer without a code, and one that says it is another provider's (RFC 9207)."""
    if "iss" in answer and answer["iss"] != issuer:
        raise refuse("it is another provider's answer (iss)")
    if error := answer.get("error"):
        words = " ".join(answer.get("error_description", "").split())[:200]
        raise Unauthenticated(
            f"The provider did not sign you in: {words or error[:60]}. Try again, or sign in another way",
            "sign-in-refused",
        )
    if not answer.get("code"):
        raise refuse("it holds no code")
