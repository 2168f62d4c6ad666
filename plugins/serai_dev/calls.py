"""The calls that set a cluster up, by the standard library: this runs before anything else of Serai's does."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from serai.domain.errors import SeraiError

T = TypeVar("T")


class Refused(SeraiError):
    """Nomad answered with an error; `status` is that of HTTP."""

    default_code = "nomad-refused"

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Nomad:
    """An agent's API at `address` (http://host:port), spoken to with an ACL token or none."""

    address: str
    token: str = field(default="", repr=False)

    def get(self, path: str) -> Any:
        return self._call("GET", path, None)

    def put(self, path: str, body: object) -> Any:
        return self._call("PUT", path, body)

    def _call(self, method: str, path: str, body: object) -> Any:
        """Return the decoded answer, None for an empty one. Raise Refused, or OSError where nobody answers."""
        parts = urlsplit(self.address)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        data = None if body is None else json.dumps(body)
        try:
            connection.request(method, path, data, {"X-Nomad-Token": self.token} if self.token else {})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace").strip()
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise Refused(f"Nomad refuses {method} {path.partition('?')[0]}: {answer.status} {text}", answer.status)
        return json.loads(text) if text.startswith(("{", "[", '"')) else None


def retry(
    what: str,
    ask: Callable[[], T | None],
    check: Callable[[], None] = lambda: None,
    timeout_s: float = 60.0,
    every_s: float = 0.2,
) -> T:
    """Return the first answer that is true; SeraiError with the last trouble after `timeout_s`.

    Agents that start refuse connections and answer with 500 for a while, so neither ends the waiting. `check` is
    called before each try and ends it by raising.
    """
    deadline_s, trouble = time.monotonic() + timeout_s, "no answer yet"
    while time.monotonic() < deadline_s:
        check()
        try:
            if answer := ask():
                return answer
        except Refused as error:
            if error.status < 500:
                raise
            trouble = error.message
        except OSError as error:
            trouble = error.strerror or str(error)
        time.sleep(every_s)
    raise SeraiError(f"{what} took longer than {timeout_s:.0f} s ({trouble})", "dev-timeout")
