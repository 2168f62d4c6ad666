"""One workload of the fake scheduler: its replicas, which of them stay, and the answer to observers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from serai.domain.observation import Observation, Phase, Workload
from serai.domain.reasons import Reason, make_reason

from .fake_replica import FakeReplica, Script

KEPT_ENDED = 10
_UNSETTLED = {Phase.LOADING, Phase.BACKING_OFF, Phase.STOPPING}


@dataclass(slots=True)
class FakeJob:
    """`frozen` is the answer for as long as nothing changes, so that a look at 10,000 replicas is cheap."""

    workload: Workload
    stopped: bool = False
    failed: Reason | None = None
    replicas: list[FakeReplica] = field(default_factory=list)
    frozen: Observation | None = None

    @property
    def count(self) -> int:
        return 0 if self.stopped else self.workload.count

    @property
    def wanted(self) -> list[FakeReplica]:
        """Return the replicas of its digest that are not on their way out."""
        return [r for r in self.replicas if r.wanted and r.digest == self.workload.digest]

    @property
    def missing(self) -> int:
        return 0 if self.failed else max(0, self.count - len(self.wanted))

    @property
    def live(self) -> int:
        return sum(replica.live for replica in self.replicas)

    @property
    def settled(self) -> bool:
        return not self.missing and not any(replica.phase in _UNSETTLED for replica in self.replicas)

    def surplus(self, workload: Workload) -> list[FakeReplica]:
        """Return what would be too many: those that leave first, then those not ready, then the youngest."""
        if workload.digest != self.workload.digest:
            return []
        order = sorted(self.wanted, key=lambda r: (r.id in workload.leaving, r.phase is not Phase.READY))
        return order[workload.count :]

    def take(self, workload: Workload, script: Script, now: datetime) -> None:
        """Make `workload` what is wanted; replicas of another digest and those too many begin to stop."""
        if self.stopped or self.workload.digest != workload.digest:
            self.failed = None
        self.workload, self.stopped = workload, False
        surplus = {replica.id for replica in self.surplus(workload)}
        for replica in self.replicas:
            if replica.digest != workload.digest or replica.id in surplus:
                replica.stop(script, now)

    def stop(self, script: Script, now: datetime) -> None:
        self.stopped = True
        for replica in self.replicas:
            replica.stop(script, now)

    def step(self, script: Script, now: datetime) -> bool:
        """Move all replicas on by one observation; return whether anything an observer sees has changed."""
        changed = [replica.step(script, now) for replica in self.replicas]
        worst = max((replica.crashes for replica in self.wanted), default=0)
        if script.gives_up_after is not None and worst >= script.gives_up_after:
            self.failed = make_reason("crash-loop", exit_code=script.exit_code)
            for replica in self.wanted:
                replica.fail(script.exit_code, now)
        return any(changed)

    def forget_ended(self, kept: int) -> None:
        ended = [replica for replica in self.replicas if not replica.live]
        for replica in ended[: max(0, len(ended) - kept)]:
            self.replicas.remove(replica)
            self.frozen = None

    def freeze(self) -> Observation:
        if self.frozen is None:
            waiting = make_reason("no-capacity") if self.missing else None
            replicas = tuple(replica.freeze() for replica in self.replicas)
            self.frozen = Observation(self.workload.digest, self.count, replicas, waiting, self.failed)
        return self.frozen
