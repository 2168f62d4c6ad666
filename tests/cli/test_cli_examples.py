"""The examples run as Serai runs them: start.sh, $PORT, health check, SIGTERM."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from serai.client.manifest_file import load_manifest_file
from serai.client.pack import pack_folder
from tests.ports import free_port
from tests.waiting import eventually

EXAMPLES = Path(__file__).parents[2] / "examples"


@contextmanager
def running(name: str, copy: Path) -> Iterator[str]:
    """Run an example in a copy of its folder, as its manifest says; it has to end well at SIGTERM."""
    folder = copy / name
    shutil.copytree(EXAMPLES / name, folder)
    manifest = load_manifest_file(folder).parse()
    port = free_port()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = os.environ | dict(manifest.spec.env) | {"PORT": str(port), "PATH": path, "SERAI_VERSION": "3"}
    process = subprocess.Popen(["/bin/sh", "-c", f"exec {manifest.spec.command}"], cwd=folder, env=environ)
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: ask(url + manifest.spec.health.path)[0] == 200, 60)
        yield url
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def ask(url: str, body: object = None) -> tuple[int, Any]:
    """Return status and JSON (or text) of an answer; 0 where there is none."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=20) as answer:
            return answer.status, read_body(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, read_body(error.read())
    except OSError:
        return 0, None


def read_body(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode()


@pytest.mark.slow
def test_digits_reads_digits(tmp_path: Path) -> None:
    seven = json.loads((EXAMPLES / "digits" / "seven.json").read_text())
    rows = [seven["pixels"][start : start + 8] for start in range(0, 64, 8)]
    large = [[pixel * 255 / 16 for pixel in row for _ in range(5)] for row in rows for _ in range(5)]
    with running("digits", tmp_path) as url:
        status, answer = ask(f"{url}/predict", seven)
        assert (status, answer["digit"], answer["version"]) == (200, 7, "3")
        assert len(answer["probabilities"]) == 10
        assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-4)
        assert ask(f"{url}/predict", {"image": large, "scale": 255})[1] == answer
        assert ask(f"{url}/predict", {"image": rows[::-1]})[1]["digit"] != 7
        assert "<canvas" in ask(url)[1]
        bad = [[], {}, {"pixels": [1, 2]}, {"pixels": "x"}, {"image": [[1]]}, {"pixels": [0] * 64, "scale": 0}, "x"]
        assert {ask(f"{url}/predict", body)[0] for body in bad} == {400}
        assert ask(f"{url}/nowhere")[0] == 404


def test_stream_llm_streams(tmp_path: Path) -> None:
    question = {"messages": [{"role": "user", "content": "Hello there"}], "max_tokens": 8}
    with running("stream-llm", tmp_path) as url:
        assert ask(f"{url}/v1/models")[1]["data"][0]["id"] == "stream-llm"
        quick = {"first_delay": "0s", "token_delay": "0ms"}
        whole = ask(f"{url}/v1/chat/completions", question | quick)[1]
        text = whole["choices"][0]["message"]["content"]
        assert text.startswith("You said: Hello there")
        assert whole["usage"] == {"prompt_tokens": 2, "completion_tokens": 8, "total_tokens": 10}

        slow = question | {"stream": True, "first_delay": "200ms", "token_delay": "50ms"}
        slow["stream_options"] = {"include_usage": True}
        request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(slow).encode())
        begun_s, times, events = time.monotonic(), [], []
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.headers["Content-Type"] == "text/event-stream"
            for line in answer:
                if line.startswith(b"data: "):
                    times.append(time.monotonic() - begun_s)
                    events.append(line.removeprefix(b"data: ").strip())
        assert events[-1] == b"[DONE]"
        chunks = [json.loads(event) for event in events[:-1]]
        assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"]) == text
        assert chunks[-1]["usage"]["completion_tokens"] == 8
        assert times[0] < 0.2 <= times[1], "the first token comes after its delay, the stream opens at once"
        assert times[-1] - times[1] >= 5 * 0.05  # of 7: what was late to be read is read together
        bad = [{}, {"messages": []}, question | {"max_tokens": -1}, question | {"token_delay": "soon"}]
        assert {ask(f"{url}/v1/chat/completions", body)[0] for body in bad} == {400}


@pytest.mark.parametrize("name", ["digits", "stream-llm"])
def test_examples_can_be_packed(name: str) -> None:
    with pack_folder(EXAMPLES / name) as packed:
        assert packed.size_bytes < 64 * 1024
    assert load_manifest_file(EXAMPLES / name).parse().name == name
