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
    headers = {"Content-Type": "application/gzip", "Content-Length": str(size - offset)}
    if offset:
        headers["Content-Range"] = f"bytes {offset}-{size - 1}/{size}"
    call = Call(
        "PUT",
        bundle_path(digest),
        headers=headers,
        content=lambda: _read_from(path, offset, size, progress),
        read_timeout_s=SERVER_READ_TIMEOUT_S,
        idempotent=False,  # the offset may have moved on: it is asked for again before another try
    )
    client.transport.send(call)


def _read_from(path: Path, offset: int, size: int, progress: OnProgress) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
            offset += len(chunk)
            progress(offset, size)


def _ignore(sent: int, size: int) -> None:
    """Show nothing."""
