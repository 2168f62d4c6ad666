"""From one allocation to a replica: rows 4 to 12 of the table in `observation`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from serai.domain.observation import Phase, Replica
from serai.domain.reasons import Reason
from serai_nomad.facts import JobFacts, Json

from .cause import Cause
from .checks import Verdict, judge_checks
from .crashes import Chains
from .endings import say_ended, say_lost, say_stopping, say_unreachable
from .moments import since_of
from .rows import Row
from .starting import judge_start
from .tries import Tries
from .wording import clause


@dataclass(frozen=True, slots=True)
class Judged:
    """`serves`: it runs or will run where Nomad can see it, so no other one is needed in its place.

    `cause` is why its newest try failed, None where none has failed since it was ready.
    """

    row: Row
    replica: Replica
    serves: bool = False
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges the allocations of one job. `followups` are its pending evaluations by id."""

    facts: JobFacts
    chains: Chains
    tries: Tries
    followups: Mapping[str, Json] = field(default_factory=dict)

    def judge(self, row: Row) -> Judged:
        if row.client == "lost":
            return Judged(row, self._make(row, Phase.ENDED, say_lost(row)))
        if row.client in {"complete", "failed"}:
            return self._judge_ended(row)
        is_to_stop = row.desired in {"stop", "evict"} or self.facts.is_stopped
        if row.client == "unknown":
            phase = Phase.STOPPING if is_to_stop else Phase.PLACED
            return Judged(row, self._make(row, phase, say_unreachable(row, is_to_stop)))
        if is_to_stop:
            return Judged(row, self._make(row, Phase.STOPPING, say_stopping(row)))
        main = row.tasks.main
        if row.client == "running" and (main is None or main.state == "running"):
            return self._judge_way_up(row, self._judge_running(row))
        return self._judge_way_up(row, judge_start(row))

    def _judge_ended(self, row: Row) -> Judged:
        cause, crashes = self.tries.find_cause(row), self.chains.count_crashes(row)
        followup = self.followups.get(row.followup)
        if row.has_failed and followup is not None and not self.facts.is_stopped:
            reason = (cause or Cause("", "the process ended")).say(
                "restarting", self.tries.say_next_placement(followup, crashes)
            )
            return Judged(row, self._make(row, Phase.BACKING_OFF, reason, crashes), cause=cause)
        crashes = crashes if row.client == "failed" else 0
        return Judged(row, self._make(row, Phase.ENDED, say_ended(row, cause), crashes), cause=cause)

    def _judge_running(self, row: Row) -> Verdict:
        if not self.facts.has_check:
            return Verdict(Phase.READY)
        checks = self.facts.checks
        return judge_checks(checks.get(row.id), row.id in checks, row.is_same_process, row.node)

    def _judge_way_up(self, row: Row, verdict: Verdict | None) -> Judged:
        """From the first crash until it is ready, the reason of a replica says why it crashed; None: it waits."""
        if verdict is not None and verdict.phase is Phase.READY:
            return Judged(row, self._make(row, Phase.READY, None), serves=True)
        crashes = self.chains.count_crashes(row)
        if verdict is None:
            cause = self.tries.find_cause(row) or Cause("", "the process ended")
            reason = cause.say("restarting", self.tries.say_next_start(row, crashes))
            return Judged(row, self._make(row, Phase.BACKING_OFF, reason, crashes), serves=True, cause=cause)
        earlier = self.chains.newest_cause(row, self.tries.find_cause) if crashes else None
        said = self._say_again(earlier, verdict.reason, crashes) if earlier else verdict.reason
        return Judged(row, self._make(row, verdict.phase, said, crashes), serves=True, cause=earlier)

    def _say_again(self, cause: Cause, now: Reason | None, crashes: int) -> Reason:
        words = f"it was started again (try {crashes + 1})" + (f": {clause(now.text)}" if now else "")
        return cause.say("restarting", words if self.tries.may_try(crashes) else "")

    def _make(self, row: Row, phase: Phase, reason: Reason | None, crashes: int = 0) -> Replica:
        return Replica(
            id=row.id,
            phase=phase,
            live=phase is not Phase.ENDED,
            ready=phase is Phase.READY,
            digest=row.digest,
            since=since_of(row, phase),
            started_at=row.created_at,
            address=self.facts.addresses.get(row.id, ""),
            reason=reason,
            crashes=crashes,
            node=row.node,
            gpus=self.facts.gpus.get(row.id, ()),
        )
