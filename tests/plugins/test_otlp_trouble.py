"""A receiver that is busy, refuses, hangs or is dead: nobody waits for it, and nothing that fits is lost or doubled."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsPartialSuccess
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsPartialSuccess

from serai.domain.collected import CollectedLine
from serai.domain.observation import LogLine, Stream
from serai.domain.window import Clock, SeriesKey, Summary, Window
from serai.plugin.log_store import LogKey
from serai.plugin.sink import SinkState
from serai.store.database import Database
from serai.telemetry.intake import Intake
from serai.telemetry.sinks import FeedLimits
from serai_otlp.settings import OtlpSettings, Signal, Temporality
from serai_otlp.sink import OtlpSink
from tests.plugins.otlp_receiver import PARTIAL_LOGS, PARTIAL_METRICS, Receiver, Refusal, running_receiver
from tests.waiting import eventually

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LIMITS = FeedLimits(waiting=20, first_pause_s=0.02, longest_pause_s=0.05, waiting_log_bytes=3000)
Start = Callable[..., Intake]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


@pytest.fixture
def start(receiver: Receiver, tmp_path: Path) -> Iterator[Start]:
    """Make what the server has: an intake on a database that feeds the sink."""
    database = Database.open(f"sqlite:///{tmp_path}/metrics.db")
    made: list[tuple[Intake, OtlpSink]] = []

    def make(settings: OtlpSettings | None = None) -> Intake:
        sink = OtlpSink(settings or OtlpSettings(receiver.url, interval_s=0, timeout_s=3))
        made.append((Intake(database, {"otlp": sink}, LIMITS), sink))
        return made[-1][0]

    yield make
    receiver.released.set()
    for intake, sink in made:
        intake.close()
        sink.close()
    database.close()


def window(number: int, count: int = 1) -> Window:
    key = SeriesKey("digits", 1, "digits-v1.1", "2xx", Clock.TOTAL)
    summary = Summary(count, 0.1 * count, 0.1, 0.1, ((0.1, float(count)),))
    return Window("g", number, NOW.timestamp() + 10 * number, 10.0, {key: summary})


def line(number: int) -> LogLine:
    return LogLine(NOW, "digits-v1.1", Stream.STDOUT, f"line {number}", str(number))


def state(intake: Intake, way: str = "figures") -> SinkState:
    return next(state for state in intake.feed.states() if state.way == way)


def counted(receiver: Receiver) -> int:
    """Return the last count that was told."""
    return max((one.point.as_int for one in receiver.points("serai.requests")), default=0)


def _has_dropped(intake: Intake, count: int) -> bool:
    return state(intake).dropped == count


def _has_lines(receiver: Receiver, count: int) -> bool:
    return len(receiver.lines()) == count


def take_quickly(intake: Intake, numbers: range) -> None:
    """Take windows one by one; none may take as long as the receiver's time-out."""
    for number in numbers:
        began = time.monotonic()
        intake.take([window(number)])
        intake.take_lines(LogKey("digits-v1", "digits-v1.1"), [line(number)])
        assert time.monotonic() - began < 2


@pytest.mark.parametrize("trouble", ["503", "hangs", "dead"])
@pytest.mark.parametrize("temporality", list(Temporality))
def test_nothing_is_lost_within_the_buffer_and_nothing_doubled(
    receiver: Receiver, start: Start, trouble: str, temporality: Temporality
) -> None:
    intake = start(OtlpSettings(receiver.url, interval_s=0, timeout_s=3, temporality=temporality))
    if trouble == "503":
        receiver.refusal = Refusal(503)
    elif trouble == "hangs":
        receiver.released.clear()
    else:
        receiver.stop()
    take_quickly(intake, range(10))
    eventually(lambda: state(intake).last_error and state(intake, "logs").last_error)
    assert state(intake).waiting == state(intake, "logs").waiting == 10
    receiver.refusal = Refusal(503) if trouble == "hangs" else None  # what hung is not taken after all
    receiver.released.set()
    if trouble == "dead":
        receiver.start()
    elif trouble == "hangs":
        asked = receiver.asked
        eventually(lambda: receiver.asked > asked + 4)
        receiver.refusal = None
    eventually(lambda: state(intake).waiting == state(intake, "logs").waiting == 0)
    told = [one.point.as_int for one in receiver.points("serai.requests")]
    assert (sum(told) if temporality is Temporality.DELTA else max(told)) == 10
    assert [record.body.string_value for _, record in receiver.lines()] == [f"line {number}" for number in range(10)]
    assert state(intake).dropped == state(intake, "logs").dropped == 0
    assert state(intake).last_error == ""


def test_what_is_beyond_the_buffer_is_counted_and_said_once(
    receiver: Receiver, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    intake = start()
    receiver.refusal = Refusal(503)
    take_quickly(intake, range(1))
    eventually(lambda: state(intake).last_error and state(intake, "logs").last_error)
    take_quickly(intake, range(1, 50))
    assert (state(intake).waiting, state(intake).dropped) == (20, 30)
    logs = state(intake, "logs")
    assert logs.waiting + logs.dropped == 50 and logs.waiting == 3000 // (200 + len("line 10"))
    said = [record.getMessage() for record in caplog.records if "the oldest are dropped" in record.getMessage()]
    assert len(said) == 2  # one for each way
    receiver.refusal = None
    eventually(lambda: state(intake).waiting == state(intake, "logs").waiting == 0)
    assert counted(receiver) == 20
    assert len(receiver.lines()) == logs.waiting


def test_retry_after_is_respected(receiver: Receiver, start: Start) -> None:
    intake = start()
    receiver.refusal = Refusal(429, {"Retry-After": "1"})
    began = time.monotonic()
    intake.take([window(1)])
    eventually(lambda: receiver.asked == 1)
    receiver.refusal = None
    eventually(lambda: counted(receiver) == 1)
    assert time.monotonic() - began >= 1 and receiver.asked == 2


@pytest.mark.parametrize("status", [400, 404, 413, 415, 500, 301])
def test_what_cannot_get_better_is_dropped_with_a_word(
    receiver: Receiver, start: Start, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    intake = start()
    receiver.refusal = Refusal(status, {"Location": "http://127.0.0.1:9/elsewhere"}, b"\x08\x03\x12\x08bad data")
    for number in range(3):
        intake.take([window(number)])
        eventually(partial(_has_dropped, intake, number + 1))
    assert receiver.asked == 3 and state(intake).waiting == 0
    said = "the receiver is elsewhere" if status == 301 else "bad data"
    assert f"answers {status}: {said}" in state(intake).last_error
    assert len([one for one in caplog.records if "refused for good" in one.getMessage()]) == 1
    receiver.refusal = None
    intake.take([window(3)])
    eventually(lambda: counted(receiver) == 4)  # a cumulative count loses nothing
    eventually(lambda: state(intake).last_error == "")


@pytest.mark.parametrize("status", [401, 403])
def test_a_secret_may_be_exchanged_and_is_never_said(
    receiver: Receiver, start: Start, tmp_path: Path, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    file = tmp_path / "secret"
    file.write_text("hunter2")
    intake = start(OtlpSettings(receiver.url, interval_s=0, headers_file={"X-Key": str(file)}))
    receiver.refusal = Refusal(status, body=b"the key hunter2 is wrong")
    intake.take([window(1)])
    eventually(lambda: receiver.asked >= 2)
    file.write_text("swordfish")
    receiver.refusal = None
    eventually(lambda: counted(receiver) == 1)
    assert receiver.headers[-1]["x-key"] == "swordfish"
    assert "the key *** is wrong" in caplog.text and "hunter2" not in caplog.text and "swordfish" not in caplog.text


def test_a_netrc_does_not_replace_the_header(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: Start
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ann password wrong\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    intake = start(OtlpSettings(receiver.url, interval_s=0, headers={"Authorization": "Bearer right"}))
    intake.take([window(1)])
    eventually(lambda: counted(receiver) == 1)
    assert receiver.headers[0]["authorization"] == "Bearer right"


def test_partial_success_is_not_sent_again(receiver: Receiver, start: Start, caplog: pytest.LogCaptureFixture) -> None:
    intake = start()
    receiver.partial = PARTIAL_METRICS(
        partial_success=ExportMetricsPartialSuccess(rejected_data_points=2, error_message="too old")
    )
    intake.take([window(1)])
    eventually(lambda: state(intake).dropped == 2)
    assert "has not taken 2 entries: too old" in state(intake).last_error
    receiver.partial = PARTIAL_LOGS(partial_success=ExportLogsPartialSuccess(error_message="mind the gap"))
    for number in range(2):
        intake.take_lines(LogKey("digits-v1", "digits-v1.1"), [line(number)])
        eventually(partial(_has_lines, receiver, number + 1))
    assert receiver.asked == 3
    eventually(lambda: caplog.text.count("has taken all, and says: mind the gap") == 1)
    assert state(intake, "logs").dropped == 0


def test_a_receiver_of_logs_that_hangs_holds_up_no_figures(receiver: Receiver, start: Start) -> None:
    intake = start(OtlpSettings(receiver.url, interval_s=0, timeout_s=5))
    receiver.hanging = {"/v1/logs"}
    receiver.released.clear()
    intake.take_lines(LogKey("digits-v1", "digits-v1.1"), [line(1)])
    eventually(lambda: receiver.asked == 1)
    intake.take([window(1)])
    eventually(lambda: counted(receiver) == 1)


def test_what_comes_within_the_interval_is_sent_together(receiver: Receiver, start: Start) -> None:
    intake = start(OtlpSettings(receiver.url, interval_s=0.3))
    intake.take([window(0)])
    eventually(lambda: receiver.asked == 1)
    for number in range(1, 6):
        intake.take([window(number)])
        time.sleep(0.01)
    eventually(lambda: counted(receiver) == 6)
    assert receiver.asked == 2


def test_nothing_is_said_to_whom_nothing_is_exported(receiver: Receiver) -> None:
    sink = OtlpSink(OtlpSettings(receiver.url, export=frozenset({Signal.SPANS})))
    sink.write_windows([window(1)])
    sink.write_logs([CollectedLine("digits", 1, line(1), NOW)])
    sink.close()
    assert receiver.asked == 0
