"""Serves archives by their digest, as our server does, and notes who asked."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from serai_nomad.job.bundle_contents import BundleContents, read_contents


@dataclass(slots=True)
class BundleServer:
    """`url` is its address, `tokens` what came as Authorization, in order."""

    folder: Path
    url: str = ""
    tokens: list[str] = field(default_factory=list)

    def add(self, files: Mapping[str, str | bytes], links: Mapping[str, str] | None = None, mode: str = "w:gz") -> str:
        """Pack files (executable where their name ends in .sh) and links; return the bundle's sha256:<hex>."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
            for name, text in files.items():
                data = text.encode() if isinstance(text, str) else text
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(data), 0o755 if name.endswith(".sh") else 0o644
                tar.addfile(info, io.BytesIO(data))
            for name, target in (links or {}).items():
                info = tarfile.TarInfo(name)
                info.type, info.linkname = tarfile.SYMTYPE, target
                tar.addfile(info)
        digest = hashlib.sha256(buffer.getvalue()).hexdigest()
        (self.folder / digest).write_bytes(buffer.getvalue())
        return f"sha256:{digest}"

    def contents(self, bundle: str) -> BundleContents | None:
        return read_contents(self.folder / bundle.removeprefix("sha256:")) if bundle else None


@contextmanager
def serve_bundles(folder: Path) -> Iterator[BundleServer]:
    """Serve on loopback for as long as the `with` lasts."""
    bundles = BundleServer(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            bundles.tokens.append(self.headers.get("Authorization", ""))
            path = folder / self.path.partition("?")[0].rpartition("sha256:")[2]
            if not self.path.startswith("/api/v1/bundles/sha256:") or not path.is_file():
                return self.send_error(404)
            self.send_response(200)
            self.send_header("Content-Length", str(path.stat().st_size))
            self.end_headers()
            self.wfile.write(path.read_bytes())
            return None

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        bundles.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield bundles
        finally:
            server.shutdown()
            thread.join()
