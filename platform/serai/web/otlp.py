"""OTLP over HTTP: which encoding a body has, how much of it is read, and answers and refusals in that encoding.

Not for anything else than `/v1/traces`, whose form is another standard's (https://opentelemetry.io/docs/specs/otlp).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from enum import StrEnum

from flask import Request, Response, json, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from serai.domain.errors import Invalid, SeraiError

from .problems import answer_error, answer_fault, answer_http_error

# google.rpc.Code by HTTP status; everything else is UNKNOWN.
_CODES = {400: 3, 401: 16, 403: 7, 413: 8, 415: 3, 422: 3, 429: 8, 500: 13, 503: 14, 507: 14}
_UNKNOWN = 2
_KEPT = ("Retry-After", "WWW-Authenticate", "Accept-Encoding")
_RETRY_S = 1
View = Callable[..., Response]


class Encoding(StrEnum):
    """The two forms of OTLP, by their content types."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


def find_encoding(asked: Request) -> Encoding:
    """Return the encoding of a body. Raise Invalid for another content type."""
    try:
        return Encoding(asked.mimetype)
    except ValueError as error:
        sent = f"not {asked.mimetype[:100]!r}" if asked.mimetype else "and this request has none"
        raise Invalid(
            f"Content-Type has to be {Encoding.PROTOBUF} or {Encoding.JSON}, {sent}", code="not-otlp"
        ) from error


def read_bytes(asked: Request, limit_bytes: int) -> bytes:
    """Return the body, unpacked if it is gzipped. Raise RequestEntityTooLarge as soon as either form is too large."""
    asked.max_content_length = limit_bytes
    packing = asked.headers.get("Content-Encoding", "identity").strip().lower()
    if packing not in {"identity", "gzip", ""}:
        raise Invalid(f"Content-Encoding can be gzip, not {packing[:100]!r}", code="not-otlp")
    body = asked.get_data(cache=False)
    return _unpack(body, limit_bytes) if packing == "gzip" else body


def _unpack(body: bytes, limit_bytes: int) -> bytes:
    """Return what was gzipped, of one member or of several one after the other."""
    parts: list[bytes] = []
    left = limit_bytes
    while body or not parts:
        inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            parts.append(inflater.decompress(body, left + 1))
        except zlib.error as error:
            raise Invalid("the body is not gzip, although Content-Encoding says so", code="malformed") from error
        left -= len(parts[-1])
        if left < 0:
            raise RequestEntityTooLarge
        if not inflater.eof:
            raise Invalid("the gzipped body is cut off", code="malformed")
        body = inflater.unused_data
    return b"".join(parts)


def write_answer(encoding: Encoding, rejected: int, why: str) -> Response:
    """Return an ExportTraceServiceResponse, with a partial success where spans were rejected."""
    if encoding is Encoding.JSON:
        said = {"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": why}} if rejected else {}
        return Response(json.dumps(said), content_type=encoding)
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

    answer = trace_service_pb2.ExportTraceServiceResponse()
    if rejected:
        answer.partial_success.rejected_spans = rejected
        answer.partial_success.error_message = why
    return Response(answer.SerializeToString(), content_type=encoding)


def answering_status(view: View) -> View:
    """Return the view with every refusal as a google.rpc.Status in the encoding of the request."""

    def answer(**path: str | int) -> Response:
        try:
            return view(**path)
        except SeraiError as error:
            return _write_status(answer_error(error))
        except HTTPException as error:
            return _write_status(answer_http_error(error))
        except Exception as error:
            return _write_status(answer_fault(error))

    return answer


def _write_status(problem: Response) -> Response:
    """Return a problem as a Status. What may be sent again later says so: senders look at 429 and 503 alone."""
    status = 503 if problem.status_code in {502, 504, 507} else problem.status_code
    code, message = _CODES.get(status, _UNKNOWN), str((problem.get_json() or {}).get("detail", ""))
    if request.mimetype == Encoding.PROTOBUF:
        response = Response(_encode_status(code, message), status, content_type=Encoding.PROTOBUF)
    else:
        response = Response(json.dumps({"code": code, "message": message}), status, content_type=Encoding.JSON)
    response.headers.extend([(name, problem.headers[name]) for name in _KEPT if name in problem.headers])
    if status == 503:
        response.headers.setdefault("Retry-After", str(_RETRY_S))
    if status == 415:
        response.headers["Accept-Encoding"] = "gzip"
    return response


def _encode_status(code: int, message: str) -> bytes:
    """Return google.rpc.Status in protobuf: its first field is the code, its second the message."""
    text = message.encode()
    return bytes([0x08, code, 0x12]) + _encode_varint(len(text)) + text


def _encode_varint(number: int) -> bytes:
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])
