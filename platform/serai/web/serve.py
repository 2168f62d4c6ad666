"""Serve an application over HTTP with waitress: threads for what is held and some more, a clean end."""

from __future__ import annotations

import logging
import socket
import threading
import time

from flask import Flask
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, create_server

from .app import edge_of

log = logging.getLogger(__name__)
_HEADER_LIMIT_BYTES = 128 * 1024
_GRACE_S = 5.0
# What one connection may send before the others have their turn: a few milliseconds' worth.
_TURN_BYTES = 512 * 1024


class FairChannel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """A connection that lets others have their turn.

    waitress sends until the socket is full, which it never is where a large file meets a fast reader: one download
    would keep the loop, or a thread, for as long as it takes.
    """

    _left = 0

    def _flush_some(self, do_close: bool = True) -> bool:
        self._left = _TURN_BYTES
        return bool(super()._flush_some(do_close))

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Send what the socket takes, or nothing, as if it were full, once the turn is over."""
        sent = int(super().send(data, do_close)) if self._left > 0 else 0
        self._left -= sent
        return sent


class Server:
    """A listening server. `run` serves until `close`.

    waitress is driven step by step: its own `run` ends only with the last connection, and its own `close` cuts off
    answers that are being written.
    """

    def __init__(self, app: Flask, listener: socket.socket, threads: int) -> None:
        edge = edge_of(app)
        self._waiting = edge.waiting
        self._sockets: dict[int, wasyncore.dispatcher] = {}
        self._waitress = create_server(
            app,
            map=self._sockets,
            sockets=[listener],
            threads=threads,
            ident=None,
            connection_limit=1000,
            channel_request_lookahead=1,  # else a caller that hangs up is not noticed while it is held
            channel_timeout=120,
            max_request_header_size=_HEADER_LIMIT_BYTES,
            max_request_body_size=min(edge.limits.body_bytes, edge.limits.bundle_bytes),
            clear_untrusted_proxy_headers=True,
        )
        self._closing = threading.Event()
        self._closed = False
        self._lock = threading.RLock()  # between the last wake-up and the closing of what it goes through
        self._doors = [each for each in self._sockets.values() if isinstance(each, BaseWSGIServer)]
        for door in self._doors:
            door.channel_class = FairChannel

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._doors[0].effective_port)

    def run(self) -> None:
        """Serve until `close`; then let go of what is held, finish what is being answered, and end the threads."""
        while not self._closing.is_set():
            self._step(1.0)
        self._waiting.close()
        for door in self._doors:
            door.accepting = False
        deadline = time.monotonic() + _GRACE_S
        while self._is_busy() and time.monotonic() < deadline:
            self._step(0.05)
        self._waitress.task_dispatcher.shutdown(timeout=_GRACE_S)
        with self._lock:
            self._closed = True
            for channel in self._list_channels():
                channel.handle_close()  # closes the file that a large answer was kept in, too
            wasyncore.close_all(self._sockets, ignore_all=True)

    def close(self) -> None:
        """Make `run` return; from any thread or signal handler, more than once."""
        self._closing.set()
        self._waiting.close()
        with self._lock:
            if not self._closed:
                self._doors[0].pull_trigger()

    def _step(self, timeout_s: float) -> None:
        wasyncore.loop(timeout=timeout_s, use_poll=True, map=self._sockets, count=1)

    def _is_busy(self) -> bool:
        return any(channel.requests or channel.total_outbufs_len for channel in self._list_channels())

    def _list_channels(self) -> list[HTTPChannel]:
        return [each for each in self._sockets.values() if isinstance(each, HTTPChannel)]


def make_server(app: Flask, listener: socket.socket, threads: int | None = None) -> Server:
    """Return a server for a socket that listens already; it is closed at the end of `run`."""
    return Server(app, listener, threads or edge_of(app).limits.threads)
