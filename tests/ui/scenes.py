"""What a busy week looks like: deployments in every state, with reasons, logs, versions and traffic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from serai.domain.finished import FinishedRequest
from serai.domain.observation import Phase, Stream
from serai.domain.reasons import make_reason
from serai.plugin.testing.fakes import Script
from serai.telemetry.span_facts import Facts
from serai.web.app import edge_of
from tests.telemetry.otlp_spans import make_span
from tests.ui.showcase import at_phase, only_ready
from tests.ui.stage import Stage
from tests.ui.traffic import Stretch

TRACE_ID = 32 * "5"
TRACE = (
    "loading tokenizer from /models/ocr",
    "Traceback (most recent call last):",
    '  File "serve.py", line 41, in <module>',
    "    model = load(os.environ['MODEL_PATH'])",
    "KeyError: 'MODEL_PATH'",
)
INSTALLING = (
    "unpacking the bundle: 812 MiB",
    "installing requirements.txt with uv",
    "resolved 31 packages in 412 ms",
    "downloading torch (812 MiB)",
)


def set_scenes(stage: Stage) -> None:
    """Deploy what the pages show."""
    set_digits(stage)
    set_chat(stage)
    set_others(stage)
    stage.tick(6)
    stage.sample(58, gap=range(21, 27))
    set_logs(stage)
    set_trace(stage)


def set_trace(stage: Stage) -> None:
    """Have one request been carried, whose model told what it did meanwhile."""
    began_at = stage.clock().timestamp() - 90
    traces = edge_of(stage.app).spans.traces
    request = FinishedRequest(
        "digits", 3, "digits-v3.1", "POST", "/predict", 500, began_at, 0.31, TRACE_ID, 16 * "1", error="",
        first_byte_s=0.3, queue_s=0.012, bytes_in=2048, bytes_out=96, key_id="mobile-app",
    )  # fmt: skip
    traces.add_requests([request])
    inner = (("tokenize", 0.02, 0.05, ""), ("forward", 0.075, 0.2, "CUDA out of memory"), ("answer", 0.28, 0.004, ""))
    for number, (name, after_s, took_s, error) in enumerate(inner, 2):
        span = make_span(number, began_at + after_s + took_s, took_s, Span.SPAN_KIND_INTERNAL, batch=8)
        span.name, span.trace_id, span.parent_span_id = name, bytes.fromhex(TRACE_ID), bytes.fromhex(16 * "1")
        span.status.message, span.status.code = error, Status.STATUS_CODE_ERROR if error else Status.STATUS_CODE_UNSET
        traces.add(Facts("digits", 3, "digits-v3.1"), [(span.trace_id, span.span_id, span.SerializeToString())])


def set_digits(stage: Stage) -> None:
    """Let three versions follow each other within the last hour, the last one of them scaled up."""
    stage.clock.ahead = timedelta(minutes=-49)
    stage.deploy("digits", env={"LOG_LEVEL": "debug"}, replicas=1)
    stage.tick()
    stage.clock.ahead = timedelta(minutes=-38)
    stage.deploy("digits", env={"LOG_LEVEL": "info"}, health={"http": "/healthz"}, image="registry.local/digits:2")
    stage.tick()
    stage.clock.ahead = timedelta(minutes=-25)
    stage.deploy(
        "digits", env={"LOG_LEVEL": "info"}, health={"http": "/healthz"}, image="registry.local/digits:3",
        resources={"cpu": 2, "memory": "1GiB"}, start_timeout="2m",
    )  # fmt: skip
    stage.tick()
    stage.clock.ahead = timedelta(minutes=-12)
    stage.core.lifecycle.change("digits", {"replicas": 3}, "grace")
    stage.tick()
    stage.clock.ahead = timedelta()
    stage.measure("digits", 42, 0.021, stretches=list(find_stretches(stage)))


def find_stretches(stage: Stage) -> Iterator[Stretch]:
    """Yield who answered for digits when; the last version's replicas are those that still do."""
    yield Stretch(1, "digits-v1.1", range(38, 49), pace=1.6)
    yield Stretch(2, "digits-v2.2", range(25, 38), fails=True)
    first, *others = sorted(r.id for r in stage.scheduler.observe(["digits-v3"])["digits-v3"].replicas if r.live)
    yield Stretch(3, first, range(25), pace=0.8, fails=True)
    for replica, pace in zip(others, (0.7, 1.2), strict=True):
        yield Stretch(3, replica, range(12), pace=pace)


def set_chat(stage: Stage) -> None:
    gpu = {"gpu": {"count": 1, "model": "A100"}, "memory": "64GiB"}
    stage.scheduler.gpus |= {"chat-llm-v1": 1, "chat-llm-v2": 1}
    stage.deploy("chat-llm", resources=gpu, replicas=2, health={"http": "/health"}, env={"MAX_TOKENS": "2048"})
    stage.tick()
    stage.measure("chat-llm", 9, 1.4, seed=2)
    stage.scheduler.script("chat-llm-v2", Script(ready_after=None))
    reason = make_reason("installing", "Installing requirements.txt: 14 of 31 packages.")
    stage.scheduler.dress("chat-llm-v2", at_phase(Phase.INSTALLING, reason))
    stage.deploy(
        "chat-llm", resources=gpu, replicas=2, health={"http": "/health"}, env={"MAX_TOKENS": "4096"},
        image="registry.local/chat-llm:2", handover="overlap",
    )  # fmt: skip


def set_others(stage: Stage) -> None:
    show = stage.scheduler
    text = (
        "It needs 2 GPUs matching 'A100': 1 of the 2 nodes of the node pool gpu has such GPUs; 1 of 4 is free:"
        " held by chat-llm-v2 (2), others (1)."
    )
    funnel = (("in the node pool gpu", 2), ("with such GPUs", 1), ("that accept work", 1), ("with free GPUs", 0))
    show.waiting["whisper-large-v1"] = replace(make_reason("gpu-taken", text), funnel=funnel)
    stage.deploy("whisper-large", resources={"gpu": {"count": 2, "model": "A100"}}, replicas=1)
    stage.deploy("embeddings", replicas=4)
    late = make_reason("checking", "GET /healthz on port 41233 answers 503: index is loading.")

    show.dress("embeddings-v1", only_ready(3, Phase.CHECKING, late))
    stage.measure("embeddings", 180, 0.006, seed=3)
    show.script("ocr-v1", Script(ready_after=1, crashes=9, says=TRACE, exit_code=1))
    stage.deploy("ocr", command="python serve.py", replicas=1)
    stage.deploy("sentiment", replicas=1)
    stage.deploy("translate", replicas=2)
    stage.tick(6)
    stage.core.lifecycle.stop("sentiment", None, "grace")
    show.script("translate-v1", Script(stop_steps=10_000))
    stage.core.lifecycle.stop("translate", None, "grace")


def set_logs(stage: Stage) -> None:
    for place in range(3):
        stage.say("digits-v3", "loading model from model.joblib", "listening on port 41207", place=place)
    for number in range(40):
        stage.say("digits-v3", f'127.0.0.1 "POST /predict HTTP/1.1" 200 in {11 + number % 7} ms', place=number % 3)
    stage.say("digits-v3", "WARNING feature 12 is out of range; clipped to 16.0", place=1)
    stage.say("digits-v3", "ERROR cannot parse body: Expecting value: line 1 column 1 (char 0)", place=2)
    stage.say("digits-v3", '127.0.0.1 "POST /predict HTTP/1.1" 400 in 2 ms', place=2)
    live = [r for r in stage.scheduler.observe(["chat-llm-v2"])["chat-llm-v2"].replicas if r.live]
    for line in INSTALLING:
        stage.scheduler.say("chat-llm-v2", live[0].id, line, Stream.SYSTEM)
