"""A registry on loopback with one image, whose only layer it sends by drops."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_CONFIG = "application/vnd.docker.container.image.v1+json"


@dataclass(frozen=True, slots=True)
class SlowRegistry:
    """`image` is the name of what it has; after `hurry` it sends as fast as it can."""

    image: str
    hurry: threading.Event


@contextmanager
def serve_slowly(size_bytes: int, pause_s: float) -> Iterator[SlowRegistry]:
    """Serve for as long as the `with` lasts. A drop is a hundredth of the layer, one each `pause_s`."""
    blobs, hurry = make_image(size_bytes), threading.Event()

    class Registry(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            kind, body = blobs.get(self.path.rpartition("/")[2], ("application/json", b"{}"))
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Docker-Content-Digest", digest_of(body))
            self.end_headers()
            step = len(body) // 100 if kind == _LAYER else len(body)
            with suppress(OSError):
                for at in range(0, len(body) if self.command == "GET" else 0, step):
                    self.wfile.write(body[at : at + step])
                    hurry.wait(pause_s if kind == _LAYER else 0)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield SlowRegistry(f"127.0.0.1:{server.server_port}/whisper:7", hurry)
        finally:
            hurry.set()
            server.shutdown()
            thread.join()


def make_image(size_bytes: int) -> dict[str, tuple[str, bytes]]:
    """Return type and content of the image's parts, by the last part of the path they are asked for by."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("weights")
        info.size = size_bytes
        tar.addfile(info, io.BytesIO(os.urandom(size_bytes)))
    layer = gzip.compress(buffer.getvalue(), 1)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(buffer.getvalue())]},
        }
    ).encode()
    parts = [describe(_CONFIG, config), describe(_LAYER, layer)]
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": _MANIFEST, "config": parts[0], "layers": parts[1:]}
    ).encode()
    found = {digest_of(body): (kind, body) for kind, body in ((_CONFIG, config), (_LAYER, layer))}
    return found | dict.fromkeys(("7", digest_of(manifest)), (_MANIFEST, manifest))


def describe(kind: str, body: bytes) -> dict[str, object]:
    return {"mediaType": kind, "size": len(body), "digest": digest_of(body)}


def digest_of(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"
