"""Bring a packed folder to the server: nothing that is there already, from where a broken upload stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from serai.domain.errors import Conflict, ServerUnavailable

from .backoff import make_pauses
from .client import Client, bundle_path
from .transport import Call

CHUNK_BYTES = 256 * 1024
# The server takes a body whole or not at all, and bounds what it takes before it knows who is calling.
PART_BYTES = 32 * 1024 * 1024
PATIENCE_S = 60.0
SERVER_READ_TIMEOUT_S = 300.0  # hashing and checking a large bundle takes the server a while

OnProgress = Callable[[int, int], None]


def upload_bundle(
    client: Client, path: Path, digest: str, on_progress: OnProgress | None = None, patience_s: float = PATIENCE_S
) -> bool:
    """Make the server have the file `path`, whose SHA-256 is `digest`. Return False if it had it before.

    `on_progress(sent, size)` is told bytes. A broken connection is taken up again where the server's copy ends;
    ServerUnavailable after `patience_s` seconds of failing in a row.
    """
    size = path.stat().st_size
    progress = on_progress or _ignore
    pauses = make_pauses(patience_s)
    reached = -1
    while True:
        offset = client.bundle_offset(digest)
        if offset is None:
            progress(size, size)
            return reached >= 0
        if offset > reached >= 0:
            pauses = make_pauses(patience_s)  # it is getting on
        reached = max(reached, offset)
        try:
            _send_from(client, path, digest, min(offset, size), size, progress)
        except (ServerUnavailable, Conflict):  # Conflict: the server's copy is of another length than it was
            pause_s = next(pauses, None)
            if pause_s is None:
                raise
            time.sleep(pause_s)
        else:
            return True


def _send_from(client: Client, path: Path, digest: str, offset: int, size: int, progress: OnProgress) -> None:
    if offset >= size:  # all is there; only the last answer was lost
        client.transport.send(_make_call(path, digest, size, size, size, progress))
    while offset < size:
        end = min(offset + PART_BYTES, size)
        client.transport.send(_make_call(path, digest, offset, end, size, progress))
        offset = end


def _make_call(path: Path, digest: str, offset: int, end: int, size: int, progress: OnProgress) -> Call:
    headers = {"Content-Type": "application/gzip", "Content-Length": str(end - offset)}
    if end - offset < size:
        headers["Content-Range"] = f"bytes {f'{offset}-{end - 1}' if offset < end else '*'}/{size}"
    return Call(
        "PUT",
        bundle_path(digest),
        headers=headers,
        content=lambda: _read_part(path, offset, end, size, progress),
        read_timeout_s=SERVER_READ_TIMEOUT_S,
        idempotent=False,  # the offset may have moved on: it is asked for again before another try
    )


def _read_part(path: Path, offset: int, end: int, size: int, progress: OnProgress) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        while chunk := file.read(min(CHUNK_BYTES, end - offset)):
            yield chunk
            offset += len(chunk)
            progress(offset, size)


def _ignore(sent: int, size: int) -> None:
    """Show nothing."""
