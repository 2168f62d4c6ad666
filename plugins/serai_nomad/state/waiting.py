"""Why fewer replicas run than are wanted: rows 13 to 17 of the table in `observation`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from serai.domain.reasons import Reason, make_reason
from serai_nomad.facts import ClusterFacts, Json
from serai_nomad.names import GROUP
from serai_nomad.place.funnel import explain_placement
from serai_nomad.reading import instant_of, mapping_of, nanoseconds_of, number_of, text_of

from .evaluations import Evaluations
from .replicas import Judged
from .task_states import LONG_AGO
from .wording import clock, seconds, sentence

log = logging.getLogger(__name__)


def explain_waiting(
    missing: Sequence[Judged], evaluations: Evaluations, definition: Json, cluster: ClusterFacts | None, now: datetime
) -> Reason | None:
    """Return why replicas are missing; None where Nomad neither waits nor works on it, so that it has given up.

    `missing` are the allocations whose place has to be taken by another one, if there are any.
    """
    if evaluations.blocked:
        newest = max(evaluations.blocked, key=lambda each: number_of(each, "CreateIndex"))
        return _after(explain_blocked(newest, definition, cluster), missing)
    if evaluations.planned:
        return _explain_planned(evaluations.planned, missing)
    if evaluations.is_deciding(now):
        return make_reason("scheduling")
    unreachable = [judged.replica.reason for judged in missing if judged.row.client == "unknown"]
    return unreachable[-1] if unreachable else None


def explain_counted(judged: Sequence[Judged]) -> Reason | None:
    """Return why Nomad makes no more replicas: it counts one on a node that it cannot reach and its stand-in as two."""
    counted = [each.row for each in judged if each.row.client == "unknown" and each.row.desired == "run"]
    if not counted:
        return None
    row = max(counted, key=lambda row: row.created_at)
    text = f"Nomad counts the replica on {row.place}, which cannot be reached, so that it starts no other."
    return make_reason("node-unreachable", text)


def explain_blocked(evaluation: Json, definition: Json, cluster: ClusterFacts | None) -> Reason:
    """Return why Nomad found no place, from a blocked evaluation."""
    if quota := text_of(evaluation, "QuotaLimitReached"):
        return make_reason(
            "no-capacity", f"The quota {quota} of the namespace is used up.", "Raise the quota, or wait."
        )
    metrics = mapping_of(evaluation, "FailedTGAllocs")
    groups = [group for group in (metrics.get(GROUP), *metrics.values()) if isinstance(group, dict)]
    if groups:
        return _explain_placement(definition, groups[0], cluster)
    return make_reason("scheduling", "Nomad's schedulers got in each other's way; it tries again by itself.")


def _explain_placement(definition: Json, metrics: Json, cluster: ClusterFacts | None) -> Reason:
    """A job of a shape that nobody expected must not hide the state of all the others: then less is said of it."""
    try:
        return explain_placement(definition, metrics, cluster)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        log.warning("cannot explain the placement of %s: %r", text_of(definition, "ID"), error)
        return make_reason("no-capacity", "Nomad has found no place for it.")


def _after(reason: Reason, missing: Sequence[Judged]) -> Reason:
    """Add what made the new place necessary: a crash, a lost node."""
    last = _newest(missing)
    if last is None:
        return reason
    why = last.cause.clause if last.cause else _why_moved(last)
    if not why:
        return reason
    exit_code = last.cause.exit_code if last.cause else None
    return replace(reason, text=f"{reason.text.rstrip('.')}, after {why}.", exit_code=exit_code)


def _why_moved(judged: Judged) -> str:
    row = judged.row
    if row.desired == "evict":
        return "it gave way to a job of a higher priority"
    if row.is_drained:
        return f"{row.place} was drained"
    return {"lost": f"{row.place} went down", "unknown": f"{row.place} could not be reached"}.get(row.client, "")


def _explain_planned(planned: Sequence[Json], missing: Sequence[Judged]) -> Reason:
    """Return the reason while Nomad pauses before it starts another replica."""
    at, evaluation = min(
        ((instant_of(each, "WaitUntil") or LONG_AGO, each) for each in planned), key=lambda each: each[0]
    )
    made_at = nanoseconds_of(evaluation, "CreateTime")
    pause = f", after a pause of {seconds((at - made_at).total_seconds())}" if made_at else ""
    last = _newest(missing)
    cause = last.cause if last else None
    why = cause.clause if cause else (_why_moved(last) if last else "")
    words = f"another replica is started at {clock(at)}{pause}"
    text = sentence(f"{why}; {words}" if why else words)
    return make_reason("rescheduling", text, exit_code=cause.exit_code if cause else None)


def _newest(missing: Sequence[Judged]) -> Judged | None:
    return max(missing, key=lambda judged: judged.row.created_at, default=None)
