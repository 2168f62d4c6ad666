"""Providers of OpenID Connect to sign in at: a real one as a process, and one whose every word a test decides."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import urlopen

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.ports import free_port
from tests.waiting import eventually

Claims = dict[str, Any]


@contextmanager
def running_provider(folder: Path, *people: Mapping[str, object]) -> Iterator[str]:
    """Run oidc-provider-mock, which is Authlib's provider, for these people; yield its issuer."""
    port = free_port()
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce"]
    for person in people:
        command += ["--user-claims", json.dumps(person)]
    issuer = f"http://127.0.0.1:{port}"
    with (folder / "provider.log").open("wb") as log:
        env = os.environ | {"PYTHONWARNINGS": "ignore"}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
    try:
        eventually(lambda: _answers(f"{issuer}/jwks"), 30)
        yield issuer
    finally:
        process.terminate()
        process.wait(15)


def _answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def make_key(name: str) -> tuple[str, rsa.RSAPrivateKey]:
    return name, rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Hostile:
    """A provider at `issuer` that does its part by the book (codes once, PKCE, redirect, client) but for what it is
    told: `twist` changes the claims, `sign` replaces the signature, the rest stands in for whole answers."""

    issuer: str = ""
    client_id: str = "serai"
    client_secret: str = "it's a /secret: ü"
    person: Claims = field(default_factory=lambda: {"sub": "u-1", "preferred_username": "Lena", "name": "Lena L"})
    key: tuple[str, rsa.RSAPrivateKey] = field(default_factory=lambda: make_key("k1"))
    twist: Callable[[Claims], None] = lambda claims: None
    sign: Callable[[Claims], str] | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    userinfo: Claims | None = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)

    def authorize(self, address: str) -> dict[str, str]:
        """Do what the provider does when the person has signed in there; return the query of the way back."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert query["response_type"] == "code" and query["code_challenge_method"] == "S256"
        assert query["client_id"] == self.client_id and "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        return {"code": code, "state": query["state"]}

    def public_pem(self) -> bytes:
        return self.key[1].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def answer(self, path: str, form: dict[str, str], authorization: str) -> tuple[int, object]:
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            return 200, self._describe()
        if path == "/jwks":
            public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key[1].public_key()))
            return 200, {"keys": [public | {"kid": self.key[0], "use": "sig", "alg": "RS256"}]}
        if path == "/userinfo" and authorization == "Bearer at":
            return 200, self.userinfo
        return self._exchange(form, authorization) if path == "/token" else (404, {})

    def _describe(self) -> dict[str, object]:
        own: dict[str, object] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
        }
        more = {"userinfo_endpoint": f"{self.issuer}/userinfo"} if self.userinfo else {}
        return own | more | dict(self.metadata)

    def _exchange(self, form: dict[str, str], authorization: str) -> tuple[int, object]:
        self.forms.append(form)
        query = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if query is None or challenge != query["code_challenge"] or form["redirect_uri"] != query["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        if not self._is_client(form, authorization):
            return 401, {"error": "invalid_client"}
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": self.client_id, "iat": now, "exp": now + 60, "nonce": query["nonce"]}
        claims |= self.person
        self.twist(claims)
        token = self.sign(claims) if self.sign else self.signed(claims)
        return 200, {"token_type": "Bearer", "access_token": "at", "id_token": token}

    def signed(self, claims: Claims) -> str:
        return jwt.encode(claims, self.key[1], "RS256", {"kid": self.key[0]})

    def _is_client(self, form: dict[str, str], authorization: str) -> bool:
        if not authorization:
            return form.get("client_id") == self.client_id and form.get("client_secret", "") == self.client_secret
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        wanted = urlencode({self.client_id: self.client_secret}).replace("+", "%20").replace("=", ":")
        return pair == wanted


@contextmanager
def running_hostile() -> Iterator[Hostile]:
    """Serve a hostile provider on a port of its own."""
    hostile = Hostile()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer({name: values[0] for name, values in parse_qs(body).items()})

        def _answer(self, form: dict[str, str]) -> None:
            status, body = hostile.answer(self.path, form, self.headers.get("Authorization", ""))
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hostile.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="provider")
    thread.start()
    try:
        yield hostile
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
