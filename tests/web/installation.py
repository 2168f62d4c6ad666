"""An installation to call: composed as the real one, with the fake scheduler, and a client for each kind of caller."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from serai.app.compose import compose
from serai.config import Configuration
from serai.plugin import PluginContext, Scheduler, hookimpl
from serai.plugin.identity import Permission
from serai.plugin.testing.fakes import FakeClock, FakeScheduler
from serai.store.tokens import create_token
from serai.web.app import make_app
from serai.web.blocking import Limits

API = "/api/v1"


class FakePlugin:
    """Registers one fake scheduler."""

    def __init__(self, scheduler: FakeScheduler) -> None:
        self.scheduler = scheduler

    @hookimpl
    def serai_register_scheduler(self, context: PluginContext) -> Scheduler:
        return self.scheduler


class Installation:
    """A server at a moment that `clock` holds still; `tick` moves it."""

    def __init__(
        self, folder: Path, limits: Limits | None = None, plugins: Mapping[str, object] | None = None, **more: Any
    ) -> None:
        self.clock = FakeClock()
        self.scheduler = FakeScheduler(self.clock)
        self.composition = compose(
            Configuration(data=folder, plugins=(), scheduler="fake", **more),
            "http://server.test",
            "http://gateway.test",
            [("fake", FakePlugin(self.scheduler)), *(plugins or {}).items()],
            self.clock,
            lambda: self.clock().timestamp(),
        )
        self.core = self.composition.core
        self.app = make_app(self.core, limits)
        self.tokens = {
            "admin": self.make_token("ann", Permission.ADMIN),
            "writer": self.make_token("will", Permission.WRITE),
            "reader": self.make_token("ray", Permission.READ),
            "gateway": self.make_token("gate", Permission.GATEWAY),
        }
        self.tick()

    def make_token(self, login: str, *permissions: Permission) -> str:
        return create_token(self.core.db, f"{login}'s", login, frozenset(permissions), self.clock())[1]

    def caller(self, who: str = "admin") -> Caller:
        return Caller(self.app.test_client(), self.tokens[who])

    def tick(self, times: int = 1, seconds: float = 1.0) -> None:
        for _ in range(times):
            self.clock.advance(seconds)
            self.composition.reconciler.tick()

    def deploy(self, name: str = "m", **values: object) -> dict[str, Any]:
        """Deploy an image, and have it running."""
        answer = self.caller().put(f"/deployments/{name}", {"image": "model:1", "drain_timeout": "1s"} | values)
        assert answer.status_code in {200, 201}, answer.text
        self.tick(4)
        return dict(self.caller().get(f"/deployments/{name}").json)

    def say(self, name: str, number: int, *texts: str, replica: int = 0) -> str:
        """Have a replica write lines, a second apart; return its id."""
        workload = f"{name}-v{number}"
        id = self.scheduler.observe([workload])[workload].replicas[replica].id
        for text in texts:
            self.clock.advance(1)
            self.scheduler.say(workload, id, text)
        return id

    def close(self) -> None:
        self.composition.close()


class Caller:
    """Somebody with a token. Paths are below /api/v1."""

    def __init__(self, client: FlaskClient, token: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> TestResponse:
        return self.send("GET", path, headers=headers)

    def put(self, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> TestResponse:
        return self.send("PUT", path, body, headers)

    def patch(self, path: str, body: object) -> TestResponse:
        return self.send("PATCH", path, body)

    def post(self, path: str, body: object = None) -> TestResponse:
        return self.send("POST", path, body)

    def delete(self, path: str) -> TestResponse:
        return self.send("DELETE", path)

    def send(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> TestResponse:
        sent: dict[str, Any] = {"data": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        return self.client.open(API + path, method=method, headers=self.headers | dict(headers or {}), **sent)


def make_bundle(**files: str) -> tuple[str, bytes]:
    """Return a packed folder with these files, and its digest."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return f"sha256:{sha256(packed.getvalue()).hexdigest()}", packed.getvalue()
