"""Bundles: packed folders, uploaded once under the SHA-256 of the file, at one go or in parts."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, request
from werkzeug.datastructures import ContentRange
from werkzeug.http import parse_content_range_header

from serai.domain.errors import Forbidden, Invalid, NotFound
from serai.plugin import archive
from serai.plugin.identity import Permission
from serai.reconcile.own_bundle import is_own_bundle
from serai.web.download import send_file
from serai.web.endpoint import Answer, Call, Media, Resource
from serai.web.problems import answer_error
from serai.web.shapes.answers import BundleAnswer
from serai.web.shapes.queries import DigestPath
from serai.web.waits import is_gone

resource = Resource("bundles", "Packed folders, named by the SHA-256 of the file.")
OFFSET_HEADER = "Upload-Offset"
_READ_BYTES = 1024 * 1024


@resource.on("HEAD", "/bundles/<digest>", Permission.READ, {200: None}, refuses=(404,), media=Media.BYTES)
def find_bundle(call: Call, path: DigestPath) -> Answer | Response:
    """Tell whether a bundle is here (200), or how much of it (404, with `Upload-Offset`)."""
    offset = str(call.core.blobs.offset(path.digest))
    if call.core.blobs.has(path.digest):
        return Answer(None, headers={OFFSET_HEADER: offset})
    response = answer_error(NotFound(f"there is no bundle {path.digest}; upload it", "bundle-missing"))
    response.headers[OFFSET_HEADER] = offset
    return response


@resource.on(
    "GET", "/bundles/<digest>", Permission.FETCH, {200: None, 206: None}, refuses=(404, 412, 416, 503),
    media=Media.BYTES,
)  # fmt: skip
def read_bundle(call: Call, path: DigestPath) -> Response:
    """Download a bundle, whole or, with `Range`, a part of it.

    A bundle holds code and perhaps weights: the permission `write` includes this one, `read` does not. A replica that
    calls for itself gets the bundle of its own version, as long as that is to run or still runs. Where too many
    bundles are being downloaded, the call waits for half a minute before it is refused.
    """
    workload = call.caller.workload
    if workload and not is_own_bundle(call.core.db, call.core.cluster, workload, path.digest):
        raise Forbidden(f"{workload} may download the bundle of its own version only, while that is to run")
    file, gone = call.core.blobs.path(path.digest), is_gone()
    return send_file(file, path.digest, lambda: call.waiting.enter_download(gone))


@resource.on(
    "PUT", "/bundles/<digest>", Permission.WRITE, {200: BundleAnswer, 201: BundleAnswer, 202: BundleAnswer},
    refuses=(404, 409, 413, 507), media=Media.BYTES,
)  # fmt: skip
def put_bundle(call: Call, path: DigestPath) -> Answer:
    """Upload a bundle (tar, plain or gzipped), at one go up to 64 MiB, or in parts.

    A part says where it belongs by `Content-Range: bytes <first>-<last>/<size>` and is kept; 202 answers with the
    offset to go on from, 201 when the last one has come and all is well. 200: the bundle was here before. An empty
    body with `Content-Range: bytes */<size>` finishes an upload whose last answer was lost.
    """
    if call.core.blobs.has(path.digest):
        return _answer(call, path.digest, 200)
    part, limit_bytes = _read_range(), call.limits.bundle_bytes
    if part is None:
        call.core.blobs.receive(path.digest, _chunks(limit_bytes), limit_bytes)
    elif _take_part(call, path.digest, part) == part.length:
        call.core.blobs.finish(path.digest)
    else:
        return _answer(call, path.digest, 202)
    _check(call, path.digest)
    return _answer(call, path.digest, 201)


def _take_part(call: Call, digest: str, part: ContentRange) -> int:
    """Keep a part and return how much of the bundle is here."""
    if part.start is None:
        return call.core.blobs.offset(digest)
    limit_bytes = call.limits.bundle_bytes
    return call.core.blobs.append(digest, part.start, _chunks(limit_bytes), limit_bytes)


def _read_range() -> ContentRange | None:
    """Return which part of the file the body is; None for all of it."""
    text = request.headers.get("Content-Range")
    if text is None:
        return None
    part = parse_content_range_header(text)
    if part is None or part.length is None or part.units != "bytes":
        raise Invalid(f"Content-Range: {text!r} is not bytes <first>-<last>/<size>", "Content-Range")
    if (request.content_length or 0) != (part.stop or 0) - (part.start or 0):
        raise Invalid(
            f"the body has {request.content_length} bytes, not those of Content-Range {part}", "Content-Range"
        )
    return part


def _chunks(limit_bytes: int) -> Iterator[bytes]:
    request.max_content_length = limit_bytes
    while chunk := request.stream.read(_READ_BYTES):
        yield chunk


def _check(call: Call, digest: str) -> None:
    """Refuse, and forget, what no scheduler could unpack."""
    try:
        archive.check(call.core.blobs.path(digest))
    except Invalid:
        call.core.blobs.delete(digest)
        raise


def _answer(call: Call, digest: str, status: int) -> Answer:
    size = call.core.blobs.offset(digest)
    body = {"digest": digest, "size": size, "complete": status != 202}
    return Answer(body, status, {OFFSET_HEADER: str(size)})
