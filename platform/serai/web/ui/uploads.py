"""Bundles that come with a form, where no script packed and uploaded them before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import IO

from werkzeug.datastructures import FileStorage

from serai.domain.errors import Invalid
from serai.plugin import archive
from serai.store.blobs import BlobStore

PIECE_BYTES = 1024 * 1024
MAX_BYTES = 16 * 1024**3


def receive_archive(blobs: BlobStore, file: FileStorage) -> str:
    """Keep an uploaded .tar.gz and return it as `sha256:<hex>`. Raise Invalid for what is no bundle."""
    digest = hashlib.sha256()
    for piece in _pieces(file.stream):
        digest.update(piece)
    file.stream.seek(0)
    name = f"sha256:{digest.hexdigest()}"
    if not blobs.has(name):
        path = blobs.receive(name, _pieces(file.stream), MAX_BYTES)
        try:
            archive.check(path)
        except Invalid as error:
            blobs.delete(name)
            raise Invalid(f"{file.filename or 'the file'}: {error.message}", "source", error.code) from error
    return name


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    while piece := stream.read(PIECE_BYTES):
        yield piece
