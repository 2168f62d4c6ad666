"""One look at whether a model answers: a connection, and for an HTTP check one request on it."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Sequence

from .loop import Loop

_ENOUGH = 256 * 1024


class Target:
    """What is looked at: hosts to try in turn, the port, and the path of an HTTP check or "" for a TCP check."""

    __slots__ = ("hosts", "path", "port")

    def __init__(self, hosts: Sequence[str], port: int, path: str) -> None:
        self.hosts, self.port, self.path = tuple(hosts), port, path

    def name(self, host: str) -> str:
        """Return `host:port`, an IPv6 address in brackets."""
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def url(self, host: str) -> str:
        return f"http://{self.name(host)}{self.path}"


class Answer:
    """What a look showed: `host` is where something listens ("" nowhere), `text` one sentence when not passed."""

    __slots__ = ("has_passed", "host", "text")

    def __init__(self, has_passed: bool, host: str, text: str) -> None:
        self.has_passed, self.host, self.text = has_passed, host, text


class Probe:
    """A look in progress. `answer` is None until it is known; `expire` is to be called after `timeout_s` seconds."""

    def __init__(self, loop: Loop, target: Target, timeout_s: float) -> None:
        self._loop, self._target, self._hosts = loop, target, list(target.hosts)
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._host = ""
        self._is_connected = False
        self._received = b""
        self.answer: Answer | None = None
        self._connect()

    def expire(self) -> Answer:
        """Return the answer; where there is none yet, that is a time-out and the look is over."""
        if self.answer is None:
            what = self._target.url(self._host) if self._target.path else f"A connection to {self._target.port}"
            self._finish(f"{what} gave no answer within {self._timeout_s:g} s.")
            self.close()
        return self.answer or Answer(False, "", "")

    def close(self) -> None:
        """Let go of the connection. After an answer it is kept until the other side has sent all it wants to."""
        if self._socket is not None:
            self._loop.forget(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _connect(self) -> None:
        while self._hosts:
            self._host = self._hosts.pop(0)
            with contextlib.suppress(OSError):  # a machine without IPv6
                self._begin(self._host)
                return
        self._finish(f"Nothing listens on port {self._target.port} yet.")

    def _begin(self, host: str) -> None:
        connection = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        connection.setblocking(False)
        code = connection.connect_ex((host, self._target.port))
        if code not in {0, errno.EINPROGRESS}:
            connection.close()
            raise OSError(code, os.strerror(code))
        self._socket = connection
        self._loop.watch_writing(connection.fileno(), lambda: self._on_connected(connection))

    def _on_connected(self, connection: socket.socket) -> None:
        # A port of the ephemeral range can be connected to itself while nobody listens.
        if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or is_self_connected(connection):
            self.close()
            self._connect()
            return
        self._is_connected = True
        if self._target.path:
            self._ask(connection)
        else:
            self._finish("")
            self.close()

    def _ask(self, connection: socket.socket) -> None:
        self._loop.forget(connection.fileno())
        self._loop.watch_reading(connection.fileno(), lambda: self._on_readable(connection))
        try:
            connection.send(make_request(self._target, self._host))
        except OSError as error:
            self._fail(error)

    def _on_readable(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(65536)
        except OSError as error:
            self._fail(error)
            return
        self._received += data
        is_enough = not data or len(self._received) > _ENOUGH
        if self.answer is None and (b"\n" in self._received or is_enough):
            self._judge()
        if is_enough:
            self.close()

    def _judge(self) -> None:
        url = self._target.url(self._host)
        line = self._received.split(b"\n", 1)[0].decode("latin-1").strip()[:200]
        status = parse_status(line)
        if status is None:
            what = f"{line!r}, which is not HTTP" if line else "nothing before it closed the connection"
            self._finish(f"{url} answered {what}.")
        elif 200 <= status < 400:
            self._finish("")
        else:
            self._finish(f"{url} answered {line.partition(' ')[2]}.")

    def _fail(self, error: OSError) -> None:
        self._finish(f"{self._target.url(self._host)} failed: {error.strerror or error}.")
        self.close()

    def _finish(self, trouble: str) -> None:
        if self.answer is None:
            self.answer = Answer(not trouble, self._host if self._is_connected else "", trouble)


def is_self_connected(connection: socket.socket) -> bool:
    try:
        return bool(connection.getsockname() == connection.getpeername())
    except OSError:
        return True


def make_request(target: Target, host: str) -> bytes:
    lines = (
        f"GET {target.path} HTTP/1.1",
        f"Host: {target.name(host)}",
        "User-Agent: serai-health",
        "Accept: */*",
        "Connection: close",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def parse_status(line: str) -> int | None:
    """Return the status of `HTTP/1.1 200 OK`, or None where the line is something else."""
    version, _, rest = line.partition(" ")
    code = rest[:3]
    return int(code) if version.startswith("HTTP/") and len(code) == 3 and code.isdigit() else None
