"""Hand one message to the receiver, and say what came of it: taken, to be tried again, or refused for good.

As the OTLP specification has it: 429, 502, 503 and 504 ask for another attempt, after Retry-After where it is given.
So do 401 and 403 here, as the headers are read anew for each attempt and a secret may be exchanged. What is too large
(413) may come in parts. Everything else that is refused would be refused again, and is given up, so that it does not
hold up what comes behind it.

Not the SDK's exporters over HTTP: they make several attempts in the call and then give up, read the environment and
their headers once, never read what a receiver says of partial success, and take a redirect for success.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import requests
import urllib3

from serai.plugin import Busy, Rejected

from .portions import TooLarge
from .settings import Compression, OtlpSettings

_PATHS = {"metrics": "/v1/metrics", "logs": "/v1/logs", "spans": "/v1/traces"}
_AGAIN = frozenset({401, 403, 408, 429, 502, 503, 504})
_TOO_LARGE = 413
_TOO_LARGE_IN_GO = b"http: request body too large"  # what OpenTelemetry's collector says, with status 400
_ANSWER_LIMIT_BYTES = 65536
_SAID_LIMIT = 200


class Unreachable(Exception):
    """No answer came. What was sent may have been taken all the same."""


class Post:
    """The way to one path of the receiver; for one thread."""

    def __init__(self, settings: OtlpSettings, signal: str) -> None:
        self._settings = settings
        self._url = settings.endpoint + _PATHS[signal]
        self._session = requests.Session()
        self._session.auth = _keep_as_it_is  # else ~/.netrc would replace the header Authorization

    def send(self, message: bytes) -> bytes:
        """Return the body of a good answer; raise Unreachable, Busy, TooLarge or Rejected."""
        secrets = self._settings.read_headers()
        headers: dict[str, str] = {**secrets, "Content-Type": "application/x-protobuf"}
        if self._settings.compression is Compression.GZIP:
            message = gzip.compress(message, compresslevel=5, mtime=0)
            headers["Content-Encoding"] = "gzip"
        status, retry_after, content = self._exchange(message, headers)
        if 200 <= status < 300:
            return content
        said = f"{self._url} answers {status}{_excerpt(content, secrets)}"
        if status in _AGAIN:
            raise Busy(said, read_retry_after(retry_after, time.time()))
        if status == _TOO_LARGE or (status == 400 and _TOO_LARGE_IN_GO in content):
            raise TooLarge(said)
        raise Rejected(said + (": the receiver is elsewhere, name that endpoint" if 300 <= status < 400 else ""))

    def close(self) -> None:
        self._session.close()

    def _exchange(self, message: bytes, headers: Mapping[str, str]) -> tuple[int, str, bytes]:
        timeout_s = self._settings.timeout_s
        try:
            with self._session.post(
                self._url,
                data=message,
                headers=headers,
                timeout=timeout_s,
                stream=True,  # no more of an answer is read than is of use
                allow_redirects=False,  # secrets go where they were meant to go
                verify=self._settings.ca_file or True,
            ) as response:
                content = response.raw.read(_ANSWER_LIMIT_BYTES, decode_content=True)
                return response.status_code, response.headers.get("Retry-After", ""), content
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(f"{self._url} gives no answer: {_describe(error, timeout_s)}") from error


def read_retry_after(text: str, now: float) -> float:
    """Return the seconds that a header Retry-After asks for (a number or a date), 0 for none."""
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError):
        return 0.0


def _keep_as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _excerpt(content: bytes, secrets: Mapping[str, str]) -> str:
    """Return what an answer says, for people: a text, or the words in a protobuf message. Never a secret."""
    text = "".join(letter for letter in content[:2000].decode(errors="ignore") if letter.isprintable()).strip()
    for secret in filter(None, secrets.values()):
        text = text.replace(secret, "***")
    return f": {text[:_SAID_LIMIT]}" if text else ""


def _describe(error: BaseException, timeout_s: float) -> str:
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return f"nothing came within {timeout_s:g} s"
    cause: BaseException = error
    while (deeper := cause.__cause__ or cause.__context__) is not None:
        cause = deeper
    return getattr(cause, "strerror", None) or str(cause)[:_SAID_LIMIT] or type(error).__name__
