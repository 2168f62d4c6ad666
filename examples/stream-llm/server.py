"""An OpenAI-shaped chat endpoint that streams invented tokens with adjustable delays: no GPU, no download."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from words import count_tokens, make_tokens

MODEL = "stream-llm"
LIMIT_BYTES = 8 * 1024 * 1024
UNITS = {"ms": 0.001, "s": 1.0, "": 1.0}


def read_delay(text: str) -> float:
    """Return seconds of `30ms`, `0.5s` or a plain number of seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|)", text)
    if not match:
        raise ValueError(f"{text!r} is not a delay; write 30ms, 0.5s or seconds")
    return min(float(match[1]) * UNITS[match[2]], 600.0)


@dataclass(frozen=True)
class Question:
    """A chat request. `token_delay_s` and `first_delay_s` are ours: seconds between tokens and before the first."""

    prompt: str
    limit: int
    stream: bool
    with_usage: bool
    token_delay_s: float
    first_delay_s: float

    @classmethod
    def read(cls, body: object) -> Question:
        """Return the question in a request's JSON; ValueError with a sentence where it is none."""
        if not isinstance(body, dict):
            raise ValueError("the body has to be a JSON object")
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
            raise ValueError('messages has to be a list such as [{"role": "user", "content": "Hello"}]')
        limit = body.get("max_completion_tokens", body.get("max_tokens")) or 64
        if not isinstance(limit, int) or not 1 <= limit <= 100_000:
            raise ValueError("max_tokens has to be a whole number from 1 to 100000")
        options = body.get("stream_options")
        return cls(
            prompt=_read_text(messages[-1].get("content", "")),
            limit=limit,
            stream=bool(body.get("stream")),
            with_usage=isinstance(options, dict) and bool(options.get("include_usage")),
            token_delay_s=read_delay(str(body.get("token_delay", os.environ.get("TOKEN_DELAY", "30ms")))),
            first_delay_s=read_delay(str(body.get("first_delay", os.environ.get("FIRST_DELAY", "200ms")))),
        )

    def tokens(self) -> Iterator[str]:
        """Yield the answer's tokens at their pace."""
        time.sleep(self.first_delay_s)
        for place, token in enumerate(make_tokens(self.prompt, self.limit)):
            if place:
                time.sleep(self.token_delay_s)
            yield token


def _read_text(content: object) -> str:
    if isinstance(content, list):  # the parts of a multimodal message
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path in {"/", "/healthz"}:
            self._answer(200, {"status": "ok", "model": MODEL})
        elif path == "/v1/models":
            model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "serai"}
            self._answer(200, {"object": "list", "data": [model]})
        else:
            self._refuse(404, f"there is nothing at {path}; POST /v1/chat/completions or GET /v1/models")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LIMIT_BYTES:
            self.close_connection = True  # the body is not read, so the connection cannot go on
            self._refuse(411 if not length else 413, f"send Content-Length, at most {LIMIT_BYTES} bytes")
            return
        body = self.rfile.read(int(length))
        if self.path.partition("?")[0] != "/v1/chat/completions":
            self._refuse(404, "POST goes to /v1/chat/completions")
            return
        try:
            question = Question.read(json.loads(body))
        except (ValueError, RecursionError) as error:
            self._refuse(400, str(error))
            return
        self._stream(question) if question.stream else self._complete(question)

    def _complete(self, question: Question) -> None:
        text = "".join(question.tokens())
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "length"}
        self._answer(200, _make_head("chat.completion") | {"choices": [choice], "usage": _usage(question)})

    def _stream(self, question: Question) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        head = _make_head("chat.completion.chunk")
        try:
            self._event(head | _choice({"role": "assistant", "content": ""}))
            for token in question.tokens():
                self._event(head | _choice({"content": token}))
            self._event(head | _choice({}, "length"))
            if question.with_usage:
                self._event(head | {"choices": [], "usage": _usage(question)})
            self._chunk(b"data: [DONE]\n\n")
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the caller has heard enough

    def _event(self, value: object) -> None:
        self._chunk(b"data: " + json.dumps(value).encode() + b"\n\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _refuse(self, status: int, message: str) -> None:
        self._answer(status, {"error": {"message": message, "type": "invalid_request_error", "code": None}})

    def _answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        if self.path != "/healthz":
            print(f"{self.command} {self.path} {args[1]}", flush=True)


def _make_head(kind: str) -> dict[str, object]:
    return {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": kind, "created": int(time.time()), "model": MODEL}


def _choice(delta: dict[str, str], finish: str | None = None) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def _usage(question: Question) -> dict[str, int]:
    asked = count_tokens(question.prompt)
    return {"prompt_tokens": asked, "completion_tokens": question.limit, "total_tokens": asked + question.limit}


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = False  # the answers that are being given are finished at the end


def main() -> None:
    server = Server((os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8001"))), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"listening on port {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
