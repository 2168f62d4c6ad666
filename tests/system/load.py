"""A constant load on the gateway from several threads, each on a kept connection, counting what went wrong."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class Load:
    """Requests of `threads` callers to `path`; `answers` counts bodies by their first word, `failures` the rest.

    With the method POST a gateway must not send a request again that a replica may have seen.
    """

    def __init__(self, gateway: str, path: str, threads: int = 8, pause_s: float = 0.0, method: str = "GET") -> None:
        self._netloc = urlsplit(gateway).netloc
        self._method = method
        self._path = path
        self._pause_s = pause_s
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self.threads = [threading.Thread(target=self._call_on, daemon=True) for _ in range(threads)]

    @property
    def count(self) -> int:
        with self._lock:
            return sum(self.answers.values()) + len(self.failures)

    def stop(self) -> None:
        """Send no more requests; those in flight go on."""
        self._stop.set()

    @contextmanager
    def running(self) -> Iterator[Load]:
        for thread in self.threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self.threads:
                thread.join(150)

    def _call_on(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._stop.is_set():
            try:
                connection = connection or http.client.HTTPConnection(self._netloc, timeout=140)
                connection.request(self._method, self._path)
                answer = connection.getresponse()
                body = answer.read().decode()
                outcome = None if answer.status == 200 else f"{answer.status} {body[:200]}"
            except (OSError, http.client.HTTPException) as error:
                outcome, body = repr(error), ""
                if connection is not None:
                    connection.close()
                connection = None
            with self._lock:
                if outcome is None:
                    self.answers[body.partition(" ")[0]] += 1
                else:
                    self.failures.append(outcome)
            if self._pause_s:
                time.sleep(self._pause_s)
        if connection is not None:
            connection.close()
