"""Send a file, or a part of it, without reading it into memory and without keeping a thread for it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

from flask import Response, request
from werkzeug.exceptions import PreconditionFailed
from werkzeug.wsgi import wrap_file

_READ_BYTES = 256 * 1024


class Section(io.RawIOBase):
    """The bytes of a file from `start` on, at most `length`. Calls `on_close` when it is closed or thrown away."""

    def __init__(self, path: Path, start: int, length: int, on_close: Callable[[], None]) -> None:
        self._on_close = on_close
        self._start, self._length, self._at = start, length, 0
        self._file = path.open("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        self._file.seek(self._start + self._at)
        count = self._file.readinto(memoryview(buffer)[: max(0, self._length - self._at)])
        self._at += count or 0
        return count or 0

    def close(self) -> None:
        if not self.closed:
            self._file.close()
            self._on_close()
        super().close()


def send_file(path: Path, etag: str, enter: Callable[[], Callable[[], None]]) -> Response:
    """Return the answer to a GET of a file that never changes: 200, 206 for a range, 304 to who has it.

    `enter` takes a place for as long as bytes are sent and returns what gives it back. The server sends the file by
    itself (`wsgi.file_wrapper`); the thread of the request is free at once. Raise werkzeug's 412 and 416.
    """
    size = path.stat().st_size
    response = Response(mimetype="application/octet-stream", direct_passthrough=True)
    response.set_etag(etag)
    response.make_conditional(request, accept_ranges=True, complete_length=size)
    if response.status_code == PreconditionFailed.code:
        raise PreconditionFailed
    if response.status_code == 304:
        return response
    start = response.content_range.start or 0
    response.content_length = (response.content_range.stop or size) - start
    section = _open(path, start, response.content_length, enter())
    response.response = wrap_file(request.environ, cast(IO[bytes], section), _READ_BYTES)
    return response


def _open(path: Path, start: int, length: int, leave: Callable[[], None]) -> Section:
    try:
        return Section(path, start, length, leave)
    except OSError:
        leave()
        raise
