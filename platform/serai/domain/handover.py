"""How a new version takes over from the one that serves: pure functions of intent, observations and fit.

    mode     active wants                      incumbent wants
    overlap  count                             count, until the active one has all its replicas ready
    rolling  ready + 1 (at most count)         count - ready(active)
    replace  count, once the incumbent is gone 0; it comes back only if the active one fails

At every moment one version alone gets new requests (`serving`), never a fraction of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .deployment import Deployment, HandoverMode, Stage, Version
from .observation import Fit, Observation, Replica


@dataclass(frozen=True, slots=True)
class Situation:
    """One deployment as it is: intent, its versions by number, what is observed of each by number."""

    deployment: Deployment
    versions: dict[int, Version]
    observations: dict[int, Observation]

    @property
    def active(self) -> Version | None:
        return self.versions.get(self.deployment.active) if self.deployment.active else None

    @property
    def incumbent(self) -> Version | None:
        return self.versions.get(self.deployment.incumbent) if self.deployment.incumbent else None

    def replicas(self, version: Version | None) -> tuple[Replica, ...]:
        """Return the live replicas of the version's current run; leftovers of an earlier run do not count."""
        observation = self.observations.get(version.number) if version else None
        if version is None or observation is None:
            return ()
        return tuple(r for r in observation.replicas if r.live and r.digest == version.run_digest)

    def ready(self, version: Version | None) -> int:
        return sum(replica.ready for replica in self.replicas(version))

    def has_live(self, version: Version | None) -> bool:
        """True if anything of the version is alive, of whichever run."""
        observation = self.observations.get(version.number) if version else None
        return observation is not None and any(replica.live for replica in observation.replicas)

    def is_in_the_way(self, version: Version | None) -> bool:
        """True if anything of the version is alive on a node that can be seen.

        What runs on a node that cannot be reached takes no place that another replica could have, and would be waited
        for in vain.
        """
        observation = self.observations.get(version.number) if version else None
        return observation is not None and any(r.live and not _is_unreachable(r) for r in observation.replicas)


def choose_mode(asked: HandoverMode, count: int, side_by_side: Fit | None, instead: Fit | None) -> HandoverMode:
    """Return the mode that `asked` comes to.

    `side_by_side` is the fit of the new version beside the old one, `instead` the fit if the old one were gone;
    None where the scheduler cannot tell. AUTO takes the first of overlap, rolling, replace that fits, and stays
    with overlap where even the old one's place would not help: then nothing is gained by stopping it.
    """
    if asked is not HandoverMode.AUTO:
        return asked
    if side_by_side is None or side_by_side.placeable >= count:
        return HandoverMode.OVERLAP
    if side_by_side.placeable > 0:
        return HandoverMode.ROLLING
    if instead is not None and instead.placeable > 0:
        return HandoverMode.REPLACE
    return HandoverMode.OVERLAP


def wanted_counts(situation: Situation) -> dict[int, int]:
    """Return how many replicas each version should have; versions not named should have none."""
    count = situation.deployment.count
    active, incumbent = situation.active, situation.incumbent
    if active is None:
        return {incumbent.number: count} if incumbent else {}
    if incumbent is None:
        return {active.number: count}
    mode = situation.deployment.handing
    if mode is None:  # not chosen yet: nothing new starts and nothing old stops
        return {incumbent.number: count}
    if mode is HandoverMode.REPLACE:
        return {} if situation.is_in_the_way(incumbent) else {active.number: count}
    ready = situation.ready(active)
    if mode is HandoverMode.ROLLING:
        return {active.number: min(count, ready + 1), incumbent.number: max(0, count - ready)}
    return {active.number: count, incumbent.number: count}


def is_finished(situation: Situation, now: datetime) -> bool:
    """True if the active version can do without the incumbent.

    All its replicas are ready, or at least one is and the others have had `start_timeout` to follow: one replica
    that cannot start must not keep two versions alive for ever.
    """
    active = situation.active
    if active is None or situation.incumbent is None:
        return False
    ready = situation.ready(active)
    if ready >= situation.deployment.count:
        return True
    progress = active.progress
    if ready == 0 or progress is None or progress.stage is not Stage.READY:
        return False
    return (now - progress.since).total_seconds() > active.spec.start_timeout_s


def serving(situation: Situation) -> Version | None:
    """Return the one version that gets new requests: the active one, unless the incumbent has more ready replicas."""
    active, incumbent = situation.active, situation.incumbent
    if active is None or incumbent is None:
        return active or incumbent
    if situation.deployment.handing in {HandoverMode.OVERLAP, None}:
        enough = situation.deployment.count
    else:
        enough = max(1, situation.ready(incumbent))
    has_taken_over = situation.ready(active) >= enough or situation.ready(incumbent) == 0
    return active if has_taken_over else incumbent


def _is_unreachable(replica: Replica) -> bool:
    return replica.reason is not None and replica.reason.code == "node-unreachable"
