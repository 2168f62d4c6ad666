"""A server on a real socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask

from serai.web.serve import make_server


@contextmanager
def served(app: Flask, threads: int = 8) -> Iterator[str]:
    """Serve `app` and yield its address; afterwards its threads have ended."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = make_server(app, listener, threads)
    thread = threading.Thread(target=server.run, name="server")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.close()
        thread.join(15)
        assert not thread.is_alive()
