"""What the checks of a running replica say: ready, not yet, or no longer."""

from __future__ import annotations

import re
from dataclasses import dataclass

from serai.domain.observation import Phase
from serai.domain.reasons import Reason, make_reason
from serai_nomad.facts import Json
from serai_nomad.reading import number_of, text_of

from .wording import plain, redact, sentence

_REFUSED = re.compile(r"dial tcp (\S+): connect: connection refused")
_PENDING = "waiting to run"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is None only for a ready replica."""

    phase: Phase
    reason: Reason | None = None


READY = Verdict(Phase.READY)


def judge_checks(checks: Json | None, is_asked: bool, was_ready: bool, node: str) -> Verdict:
    """Return how far a running process has come. Only live checks that all succeed make it ready.

    `checks` is what Nomad answered: None where there was no answer, {} where it has no check. `was_ready` speaks of
    this very process. A failing one may have been answered badly, or nothing may listen: that tells the phase.
    """
    phase = Phase.CHECKING if was_ready else Phase.LOADING
    if not is_asked:
        return Verdict(phase, make_reason("loading", "The process runs; its health check has not been asked for yet."))
    if checks is None:
        text = f"Node {node} does not answer, so it is not known whether the replica is healthy."
        return Verdict(phase, make_reason("node-unreachable", text))
    results = [result for result in checks.values() if isinstance(result, dict)]
    bad = [result for result in results if text_of(result, "Status") != "success"]
    if results and len(results) == len(checks) and not bad:
        return READY
    if not bad:
        return Verdict(phase, make_reason("loading", "The process runs; Nomad has not started its health check yet."))
    worst = max(bad, key=lambda result: (text_of(result, "Status") == "failure", _output(result)))
    return _judge_failing(worst, was_ready)


def _judge_failing(result: Json, was_ready: bool) -> Verdict:
    output = _output(result)
    if was_ready:
        text = f"The health check fails, though it did pass before: {_describe(result)}"
        return Verdict(Phase.CHECKING, make_reason("check-failed", sentence(text)))
    if text_of(result, "Status") != "failure" or _PENDING in output:
        return Verdict(
            Phase.LOADING, make_reason("loading", "The process runs; its health check is about to be tried.")
        )
    if match := _REFUSED.search(output):
        return Verdict(
            Phase.LOADING, make_reason("loading", f"The process runs, but nothing listens on {match[1]} yet.")
        )
    if "dial tcp" in output:
        return Verdict(Phase.LOADING, make_reason("loading", sentence(f"the process runs, but {_describe(result)}")))
    return Verdict(Phase.CHECKING, make_reason("checking", sentence(f"the port is open, but {_describe(result)}")))


def _describe(result: Json) -> str:
    """Return what a failing check says: who does not listen, or what was answered."""
    output, status = _output(result), number_of(result, "StatusCode")
    if match := _REFUSED.search(output):
        return f"nothing listens on {match[1]}"
    if status:
        answer = f": {redact(output)}" if output else ""
        return f"the health check was answered with {status}{answer}"
    return f"the health check failed: {plain(output)}" if output else "the health check failed"


def _output(result: Json) -> str:
    return text_of(result, "Output").removeprefix("nomad: ")
