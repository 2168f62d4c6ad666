"""When Nomad itself has given up: rows 18 to 20 of the table in `observation`."""

from __future__ import annotations

from collections.abc import Sequence

from serai.domain.reasons import Reason, make_reason
from serai_nomad.reading import text_of

from .evaluations import Evaluations
from .replicas import Judged
from .wording import redact


def explain_failure(judged: Sequence[Judged], evaluations: Evaluations, count: int) -> Reason:
    """Return what Nomad gave up at; to be called only where replicas are missing and it does nothing about it."""
    failed = [each for each in judged if each.row.has_failed]
    if failed:
        return _gave_up_after(max(failed, key=lambda each: each.row.created_at))
    evaluation = evaluations.newest
    if evaluation is not None and text_of(evaluation, "Status") == "failed" and not text_of(evaluation, "NextEval"):
        why = redact(text_of(evaluation, "StatusDescription"))
        return make_reason("gave-up", "Nomad gave up placing the replicas" + (f": {why}." if why else "."))
    serving = sum(each.serves for each in judged)
    return make_reason("gave-up", f"Nomad runs {serving} of {count} replicas and has nothing planned for the others.")


def explain_fatal(judged: Sequence[Judged]) -> Reason | None:
    """Return the cause that every further try would meet again, None while a try makes sense."""
    fatal = [each for each in judged if each.replica.live and each.cause and each.cause.fatal]
    return fatal[0].cause.say("crash-loop") if fatal and fatal[0].cause else None


def _gave_up_after(judged: Judged) -> Reason:
    crashes = judged.replica.crashes
    times = f"it failed {crashes} times in a row and " if crashes > 1 else "it "
    what_follows = f"{times}will not be started again"
    if judged.cause is None:
        return make_reason("failed-replica", f"The process ended; {what_follows}.")
    return judged.cause.say("crash-loop", what_follows)
