"""The provider over the network: what it says of itself, its keys, codes exchanged for tokens, people asked about."""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import jwt
import requests
import urllib3

from serai.domain.errors import SeraiError, Unauthenticated

from .settings import OidcSettings, is_trusted_address

log = logging.getLogger(__name__)

_KEEP_S = 3600.0  # how long what the provider says of itself is believed
_MAX_BYTES = 1024 * 1024
Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is needed of a provider's description."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    posts_secret: bool


class Provider:
    """One provider. Safe from any thread. Everything raises SeraiError `sign-in-unavailable` while it is down."""

    def __init__(self, settings: OidcSettings, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, tuple[jwt.PyJWK, ...]] | None = None

    def metadata(self) -> Metadata:
        """Return what the provider says of itself, at most an hour old."""
        with self._lock:
            known = self._metadata
        if known is not None and self._monotonic() - known[0] < _KEEP_S:
            return known[1]
        address = self._settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
        found = read_metadata(self._call("GET", address), self._settings)
        with self._lock:
            self._metadata = (self._monotonic(), found)
        return found

    def keys(self, afresh: bool = False) -> tuple[jwt.PyJWK, ...]:
        """Return the keys by which the provider signs, at most an hour old, or as they are now."""
        with self._lock:
            known = self._keys
        if known is not None and not afresh and self._monotonic() - known[0] < _KEEP_S:
            return known[1]
        found = read_keys(self._call("GET", self.metadata().jwks_uri), self._settings)
        with self._lock:
            self._keys = (self._monotonic(), found)
        return found

    def exchange(self, code: str, verifier: str, callback_url: str) -> tuple[str, str]:
        """Return ID token and access token ("" for none) for a code. Raise Unauthenticated where it is refused."""
        settings, secret = self._settings, self._settings.read_secret()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": callback_url,
            "code_verifier": verifier,
        }
        headers = {}
        if secret and not self.metadata().posts_secret:
            headers["Authorization"] = make_basic(settings.client_id, secret)
        else:
            form["client_id"] = settings.client_id
            if secret:
                form["client_secret"] = secret
        answer = self._call("POST", self.metadata().token_endpoint, form, headers)
        id_token, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(id_token, str):
            raise self._unusable("it sent no ID token")
        return id_token, access_token if isinstance(access_token, str) else ""

    def ask_about(self, access_token: str) -> Json:
        """Return what the provider says of whose access token it is."""
        address = self.metadata().userinfo_endpoint
        return self._call("GET", address, headers={"Authorization": f"Bearer {access_token}"})

    def _call(
        self, method: str, address: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Json:
        # A session for each call: sign-ins are rare, and nothing is kept that could leak from one to the next.
        with requests.Session() as session:
            session.trust_env = False  # no ~/.netrc in place of the client's secret
            session.verify = self._settings.ca_file or True
            try:
                with session.request(
                    method,
                    address,
                    data=form,
                    headers={"Accept": "application/json", **(headers or {})},
                    timeout=self._settings.timeout_s,
                    allow_redirects=False,  # a code and a secret go where the provider said, and nowhere else
                    stream=True,
                ) as response:
                    body = response.raw.read(_MAX_BYTES + 1, decode_content=True)
                    return self._read(response, body, is_exchange=form is not None)
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                raise self._unusable(f"{type(error).__name__}") from error

    def _read(self, response: requests.Response, body: bytes, is_exchange: bool) -> Json:
        if len(body) > _MAX_BYTES:
            raise self._unusable("its answer is too long")
        answer = _parse(body)
        if is_exchange and response.status_code in {400, 401, 403}:
            code = answer.get("error") if answer else None
            log.warning("%s refused a code: %s", self._settings.issuer, _word(code))
            raise Unauthenticated(
                f"The provider refused this sign-in ({_word(code)}); sign in again", "sign-in-refused"
            )
        if response.status_code != 200 or answer is None:
            raise self._unusable(f"it answered {response.status_code}")
        return answer

    def _unusable(self, why: str) -> SeraiError:
        log.warning("%s cannot be used: %s", self._settings.issuer, why)
        return SeraiError(
            f"{self._settings.label} cannot be used at the moment: {why}. Try again, or sign in another way",
            "sign-in-unavailable",
        )


def read_metadata(answer: Json, settings: OidcSettings) -> Metadata:
    """Return a provider's description. Raise SeraiError for that of another issuer, and for addresses without TLS."""
    if answer.get("issuer") != settings.issuer:
        raise SeraiError(
            f"plugin.oidc.issuer is {settings.issuer!r}, but what answers there calls itself {answer.get('issuer')!r};"
            " they have to be equal, to the last slash",
            "sign-in-unavailable",
        )
    required = {name: answer.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
    for name, address in {**required, "userinfo_endpoint": answer.get("userinfo_endpoint")}.items():
        is_left_out = address is None and name not in required
        if not is_left_out and not (isinstance(address, str) and is_trusted_address(address)):
            raise SeraiError(f"The provider's {name} is {address!r}, no address with TLS", "sign-in-unavailable")
    methods = answer.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    posts = isinstance(methods, list) and "client_secret_basic" not in methods and "client_secret_post" in methods
    return Metadata(
        str(required["authorization_endpoint"]),
        str(required["token_endpoint"]),
        str(required["jwks_uri"]),
        str(answer.get("userinfo_endpoint") or ""),
        posts,
    )


def read_keys(answer: Json, settings: OidcSettings) -> tuple[jwt.PyJWK, ...]:
    """Return the keys for signatures that are taken, once for each algorithm that they may be used with."""
    found = answer.get("keys")
    entries = [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
    signing = [entry for entry in entries if entry.get("use", "sig") == "sig"]
    made = [
        _make_key(entry, algorithm)
        for entry in signing
        for algorithm in settings.algorithms
        if entry.get("alg", algorithm) == algorithm
    ]
    return tuple(key for key in made if key is not None)


def make_basic(client_id: str, secret: str) -> str:
    """Return the header of a client: id and secret are form-encoded before they are joined (RFC 6749, 2.3.1)."""
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _make_key(entry: dict[str, object], algorithm: str) -> jwt.PyJWK | None:
    try:
        return jwt.PyJWK(entry, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):  # of a kind that this algorithm does not know
        return None


def _parse(body: bytes) -> Json | None:
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _word(code: object) -> str:
    """Return an error code of OAuth's alphabet, cut short: it goes into logs and pages."""
    text = code if isinstance(code, str) else "no reason given"
    return "".join(letter for letter in text if letter.isalnum() or letter in " _-.")[:60]
