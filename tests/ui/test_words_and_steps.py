"""The pure parts of the pages: words, steps, differences, manifests as text, drawings, levels of log lines."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.domain.deployment import Event, Progress, Stage, Version
from serai.domain.errors import Invalid
from serai.domain.manifest import parse_manifest
from serai.domain.observation import LogLine, Phase, Replica, Stream
from serai.domain.reasons import make_reason
from serai.domain.spec import Spec
from serai.domain.status import State, Status
from serai.reconcile.views import VersionView
from serai.web.ui.charts import make_line, make_meter
from serai.web.ui.log_lines import level_of
from serai.web.ui.manifest_text import read_manifest_text, write_manifest_text
from serai.web.ui.spec_diff import compare_specs
from serai.web.ui.steps import Mark, Trail, make_steps
from serai.web.ui.words import ago, event_words, prose, rate, seconds, short_replica, span

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "said"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (86399, "23 h"), (90000, "1 d")],
)
def test_spans_use_the_unit_that_fits(given: float, said: str) -> None:
    assert span(given) == said


def test_the_future_is_now() -> None:
    assert ago(NOW + timedelta(seconds=5), NOW) == "now"


@pytest.mark.parametrize(
    ("given", "said"), [(None, "–"), (0.00124, "1.24 ms"), (0.31, "310 ms"), (0.9999, "1 s"), (2.5, "2.5 s")]
)
def test_times_are_told_to_three_digits(given: float | None, said: str) -> None:
    assert seconds(given) == said


@pytest.mark.parametrize(("given", "said"), [(None, "–"), (0, "0"), (0.0672, "0.067"), (2.98, "3"), (1234.5, "1,234")])
def test_rates_are_short(given: float | None, said: str) -> None:
    assert rate(given) == said


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("version.ready", "ready after 12 s", "ready after 12 s"),
        ("deployment.scaled", "2 -> 4", "scaled 2 → 4"),
        ("version.failed", "It crashed.", "failed: It crashed."),
        ("deployment.changed", "", "settings changed"),
        ("plugin.invented", "x", "plugin invented x"),
    ],
)
def test_events_are_phrases(kind: str, text: str, said: str) -> None:
    assert event_words(Event(1, NOW, kind, "m", 1, "", text, "ann")) == said


@pytest.mark.parametrize(
    ("replica", "said"),
    [("digits-v1-3g4i", "3g4i"), ("digits-v1.12", "12"), ("8f3a1c", "8f3a1c"), ("digits-v1", "digits-v1")],
)
def test_replicas_are_told_apart_by_their_end(replica: str, said: str) -> None:
    assert short_replica(replica, "digits-v1") == said


def test_code_in_sentences_is_code_and_nothing_else_is_markup() -> None:
    assert prose("Set `port`, <b>now</b>") == "Set <code>port</code>, &lt;b&gt;now&lt;/b&gt;"


# the way to ready


def make_view(state: State, phase: Phase | None, since_s: float = 5, stage: Stage = Stage.STARTING) -> VersionView:
    version = Version("m", 1, Spec(), NOW, run=1, started_at=NOW, progress=Progress(stage, NOW), spec_digest="d" * 12)
    at = NOW + timedelta(seconds=since_s)
    live = phase is not None
    replicas = (
        (Replica("m-v1.1", phase, live, phase is Phase.READY, version.run_digest, at, NOW + timedelta(seconds=1)),)
        if phase is not None
        else ()
    )
    ready = sum(replica.ready for replica in replicas)
    return VersionView(version, Status(state, None, ready, 1), replicas, False, None)


def marks(view: VersionView, trail: Trail | None = None) -> dict[str, str]:
    return {step.name: step.mark.value for step in make_steps(view, (trail or Trail()).note(view))}


@pytest.mark.parametrize("phase", [Phase.PLACED, Phase.FETCHING, Phase.INSTALLING, Phase.LOADING, Phase.CHECKING])
def test_one_step_is_now_those_before_are_done(phase: Phase) -> None:
    seen = marks(make_view(State.PREPARING, phase))
    names = list(seen)
    here = names.index(phase.value)
    assert [seen[name] for name in names] == ["done"] * here + ["now"] + ["todo"] * (len(names) - here - 1)


def test_without_a_replica_it_is_queued() -> None:
    assert marks(make_view(State.PREPARING, None))["queued"] == "now"


def test_a_restarting_replica_stands_at_loading() -> None:
    assert marks(make_view(State.PREPARING, Phase.BACKING_OFF))["loading"] == "now"


def test_times_are_kept_from_look_to_look() -> None:
    trail = Trail()
    trail.note(make_view(State.PREPARING, Phase.INSTALLING, since_s=2))
    view = make_view(State.PREPARING, Phase.LOADING, since_s=9)
    took = {step.name: step.took_s for step in make_steps(view, trail.note(view))}
    assert took["queued"] == 1.0
    assert took["installing"] == 7.0
    assert {step.name: step.until for step in make_steps(view, trail.note(view))}["placed"] == "installing"
    assert took["fetching"] is None


def test_a_failure_stands_where_it_happened() -> None:
    trail = Trail()
    trail.note(make_view(State.PREPARING, Phase.CHECKING))
    ended = make_view(State.ERROR, None)
    failed = replace(ended, status=Status(State.ERROR, make_reason("check-failed"), 0, 0))
    assert marks(failed, trail)["checking"] == Mark.FAILED


def test_once_ready_only_what_was_seen_is_told() -> None:
    assert list(marks(make_view(State.RUNNING, Phase.READY, stage=Stage.READY))) == ["queued", "placed", "ready"]


def test_what_was_never_started_has_no_steps() -> None:
    view = make_view(State.STOPPED, None)
    assert make_steps(view, {}) == []


# specs and manifests


def test_a_difference_names_keys_as_the_manifest_does() -> None:
    old = parse_manifest({"env": {"A": "1", "B": "2"}, "resources": {"memory": "1GiB"}}, "m").spec
    new = parse_manifest({"env": {"A": "1", "C": "3"}, "resources": {"memory": "2GiB"}, "start_timeout": 90}, "m").spec
    assert {d.key: (d.before, d.after) for d in compare_specs(old, new)} == {
        "env.B": ("2", ""),
        "env.C": ("", "3"),
        "resources.memory": ("1 GiB", "2 GiB"),
        "start_timeout": ("10m", "90"),
    }


def test_a_changed_secret_is_named_and_not_told() -> None:
    differences = compare_specs(Spec(secrets={"T": "aaaa"}), Spec(secrets={"T": "bbbb"}))
    assert [d.key for d in differences] == ["secrets.T"]
    assert "aaaa" not in str(differences)


MANIFESTS = st.fixed_dictionaries(
    {},
    optional={
        "command": st.sampled_from(["./start.sh", ["python", "serve.py"], "a: b # c"]),
        "env": st.dictionaries(st.sampled_from(["A", "LOG_LEVEL"]), st.sampled_from(["", "1", "yes", "a: b", "é\n"])),
        "port": st.integers(1, 65535),
        "resources": st.fixed_dictionaries(
            {},
            optional={
                "cpu": st.sampled_from([1, 0.5, "1500MHz"]),
                "memory": st.integers(1, 2**40),
                "memory_max": st.integers(2**40, 2**50),
                "disk": st.integers(1, 2**40),
                "gpu": st.fixed_dictionaries({"count": st.integers(1, 8)}, optional={"memory": st.just("40GiB")})
                | st.sampled_from(["2 x H100", "nvidia/gpu/NVIDIA L4 >= 20GB"]),
            },
        ),
        "health": st.sampled_from(
            [{"tcp": True}, {"http": "/healthz", "timeout": 0.25}, {"http": "/", "interval": 61}]
        ),
        "start_timeout": st.floats(0.05, 10_000_000),
        "start_attempts": st.integers(1, 1000),
        "mounts": st.just([{"volume": "weights", "path": "/models"}]),
        "placement": st.just({"pool": "gpu", "constraints": ["${node.class} = a100"]})
        | st.just({"affinities": [{"match": "${a} = b", "weight": -5}], "spread": ["${node.unique.id}"]}),
        "driver": st.just("docker"),
    },
)


@given(MANIFESTS)
def test_a_spec_written_as_text_reads_back_the_same(values: dict[str, object]) -> None:
    spec = parse_manifest(values, "m").spec
    assert read_manifest_text(write_manifest_text(spec), "m", {}).spec == spec


@pytest.mark.parametrize(
    ("text", "field", "line"),
    [
        ("replicas: 1\nreplicsa: 2\n", "replicsa", 2),
        ("resources:\n  cpu: 1\n  memory: lots\n", "resources.memory", 3),
        ("mounts:\n  - volume: a\n    path: /a\n  - volume: b\n    path: relative\n", "mounts[1].path", 5),
        ("env: {A: 1,\n  9B: 2}\n", "env.9B", 2),
        ("command: [\n", "manifest", 2),
        ("- a\n", "manifest", 1),
        ("a: &x 1\nb: *x\n", "manifest", 2),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, field: str, line: int) -> None:
    with pytest.raises(Invalid) as caught:
        read_manifest_text(text, "m", {})
    assert (caught.value.field, caught.value.line) == (field, line)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_a_sentence(text: str) -> None:
    try:
        read_manifest_text(text, "m", {})
    except Invalid as error:
        assert error.message


# drawings and lines


def test_a_gap_stays_a_gap() -> None:
    drawn = make_line([1.0, None, 2.0, 3.0], "x")
    assert drawn.count("<polyline") == 2


def test_labels_cannot_break_out() -> None:
    assert "<script" not in make_line([1.0], '"><script>')


@pytest.mark.parametrize(("fraction", "width"), [(None, "0.0"), (-1.0, "0.0"), (0.5, "50.0"), (7.0, "100.0")])
def test_a_meter_stays_in_its_frame(fraction: float | None, width: str) -> None:
    assert f'width="{width}"' in make_meter(fraction, "x")


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("ERROR cannot parse", "error"),
        ("Traceback (most recent call last):", "error"),
        ("KeyError: 'x'", "error"),
        ("panic: runtime", "error"),
        ("WARNING deprecated", "warning"),
        ("no errors found", ""),
        ("terror", ""),
    ],
)
def test_errors_stand_out(text: str, level: str) -> None:
    assert level_of(LogLine(NOW, "r", Stream.STDOUT, text, "1")) == level
