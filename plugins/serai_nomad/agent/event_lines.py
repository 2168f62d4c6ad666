"""Lines of a stream that stays open, each as soon as it has come."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress

import requests
import urllib3

_CHUNK_BYTES = 65536
# What an ended or cut connection looks like, here or at the other end.
CUT = (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError)


def read_lines(response: requests.Response, first_s: float) -> Iterator[bytes]:
    """Yield the lines of a streamed answer without holding any back; end with the stream, or if it is cut.

    A stream that says nothing within `first_s` is ended. `iter_lines` of requests waits for 512 bytes.
    """
    watch = threading.Timer(first_s, cut, (response,))
    watch.start()
    pending = b""
    try:
        while data := _read_some(response):
            watch.cancel()
            *lines, pending = (pending + data).split(b"\n")
            yield from lines
    finally:
        watch.cancel()
        watch.join()


def cut(response: requests.Response) -> None:
    """End a streamed answer while another thread reads it."""
    with suppress(OSError, RuntimeError, ValueError):  # it has ended by itself
        response.raw.shutdown()


def _read_some(response: requests.Response) -> bytes:
    """Return what has come, b"" at the end."""
    try:
        return bytes(response.raw.read1(_CHUNK_BYTES))
    except CUT:  # urllib3 lets some errors of a socket that was shut down in the middle through as they are
        return b""
