"""A real OpenTelemetry collector takes what goes out, and passes it on as it understood it.

Its few parts are named in tests/otelcol; where it was not built these tests are skipped.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from serai.domain.collected import CollectedLine
from serai.domain.observation import LogLine, Stream, Usage
from serai.plugin import Busy, Rejected
from serai_otlp.settings import Compression, OtlpSettings
from serai_otlp.sink import OtlpSink
from tests.plugins.otlp_receiver import Receiver, read, running_receiver
from tests.plugins.test_otlp_messages import AT, PARENT, REQUEST, SPAN_ID, TRACE, make_window
from tests.ports import free_port
from tests.waiting import eventually

pytestmark = pytest.mark.slow


@contextmanager
def running_collector(onward: str, folder: Path, limit_bytes: int = 0) -> Iterator[str]:
    """Run a collector that passes everything on, of bodies up to a limit; yield its address."""
    program = shutil.which("otelcol")
    if program is None:
        pytest.skip("otelcol: not on PATH (`go build -o /usr/local/bin/otelcol .` in tests/otelcol)")
    listen = f"127.0.0.1:{free_port()}"
    off = {"enabled": False}
    pipeline = {"receivers": ["otlp"], "exporters": ["otlphttp"]}
    config = {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": listen, "max_request_body_size": limit_bytes}}}},
        "exporters": {"otlphttp": {"endpoint": onward, "sending_queue": off, "retry_on_failure": off}},
        "service": {
            "pipelines": dict.fromkeys(("metrics", "logs", "traces"), pipeline),
            "telemetry": {"metrics": {"level": "none"}},
        },
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    with (folder / "log").open("wb") as log:
        command = [program, f"--config=file:{folder / 'config.yaml'}"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        eventually(lambda: _listens(process, f"http://{listen}", folder / "log"), 30)
        yield f"http://{listen}"
    finally:
        process.terminate()
        process.wait(20)


def _listens(process: subprocess.Popen[bytes], url: str, log: Path) -> bool:
    if process.poll() is not None:
        raise RuntimeError(log.read_text()[-3000:])
    try:
        urllib.request.urlopen(f"{url}/v1/logs", timeout=1).close()
    except urllib.error.HTTPError as answer:  # it wants a POST
        answer.close()
        return True
    except OSError:
        return False
    return True


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


@pytest.mark.parametrize("compression", list(Compression))
def test_a_collector_understands_all(receiver: Receiver, tmp_path: Path, compression: Compression) -> None:
    with running_collector(receiver.url, tmp_path) as url:
        sink = OtlpSink(OtlpSettings(url, compression=compression))
        sink.write_windows([make_window(1, 0.1, 0.2, bytes_in=5), make_window(2, 0.3, status="5xx")])
        sink.write_usage([Usage("digits-v3.1", AT, cpu_user=0.5, workload="digits-v3")])
        at = datetime(2026, 1, 1, tzinfo=UTC)
        sink.write_logs(
            [CollectedLine("digits", 3, LogLine(at, "r", Stream.STDERR, f"line {n}", ""), at) for n in range(50)]
        )
        sink.write_spans([REQUEST])
        sink.close()
    assert [one.point.as_int for one in receiver.points("serai.requests")] == [2, 1]
    [good, _] = receiver.points("http.server.request.duration")
    assert good.attributes["serai.version"] == 3 and good.resource["service.name"] == "serai"
    assert (good.point.count, sum(good.point.bucket_counts)) == (2, 2)
    [cpu] = receiver.points("serai.replica.cpu.usage")
    assert cpu.point.as_double == 0.5
    assert [record.body.string_value for _, record in receiver.lines()] == [f"line {n}" for n in range(50)]
    [span] = receiver.spans()
    assert (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN_ID, PARENT)
    assert read(span.attributes)["url.path"] == REQUEST.path


@pytest.mark.parametrize("compression", list(Compression))
def test_a_collector_with_a_limit_gets_parts(receiver: Receiver, tmp_path: Path, compression: Compression) -> None:
    lines = [CollectedLine("digits", 3, LogLine(AT, "r", Stream.STDOUT, f"line {n}", ""), AT) for n in range(100)]
    huge = CollectedLine("digits", 3, LogLine(AT, "r", Stream.STDOUT, random.Random(1).randbytes(5000).hex(), ""), AT)
    with running_collector(receiver.url, tmp_path, 2000) as url:
        sink = OtlpSink(OtlpSettings(url, compression=compression))
        with pytest.raises(Rejected, match="too large") as error:
            sink.write_logs([*lines[:70], huge, *lines[70:]])
        sink.close()
    assert error.value.count == 1
    assert [record.body.string_value for _, record in receiver.lines()] == [f"line {n}" for n in range(100)]


def test_a_collector_whose_receiver_is_away_has_it_sent_again(receiver: Receiver, tmp_path: Path) -> None:
    with running_collector(receiver.url, tmp_path) as url:
        sink = OtlpSink(OtlpSettings(url))
        receiver.stop()
        with pytest.raises(Busy, match="answers 503"):
            sink.write_windows([make_window(1, 0.1)])
        receiver.start()
        sink.write_windows([make_window(1, 0.1)])
        sink.close()
    assert max(one.point.as_int for one in receiver.points("serai.requests")) == 1
