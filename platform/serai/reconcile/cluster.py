"""What is known right now: intent as stored, observations as last seen. A cache; every part can be read again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from serai.domain.deployment import Deployment, Version
from serai.domain.errors import NotFound
from serai.domain.handover import Situation
from serai.domain.names import parse_workload_id, workload_id
from serai.domain.observation import Observation, Usage
from serai.domain.reasons import Reason
from serai.store import deployments, versions
from serai.store.database import Database

from .changes import Changes
from .views import DeploymentView, Freshness, make_view

# A scheduler that has been silent for so long to one who asks is not reached, whatever it will say in the end.
SILENCE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Intent:
    """A deployment and its versions by number, as one read of the database gave them."""

    deployment: Deployment
    versions: Mapping[int, Version] = field(default_factory=dict)


class Cluster:
    """Intent and observations by deployment. Reads are safe from any thread; only the reconciler notes observations."""

    def __init__(self, db: Database, changes: Changes, clock: Callable[[], datetime]) -> None:
        self._db = db
        self._changes = changes
        self._clock = clock
        self._lock = threading.RLock()
        self._intents: dict[str, Intent] = {}
        self._observations: dict[str, dict[int, Observation]] = {}
        self._usage: dict[tuple[str, str], Usage] = {}
        self._freshness = Freshness.NEVER
        self._doubt: Reason | None = None
        self._asked_at: datetime | None = None
        self._heard_at = clock()

    # intent

    def refresh(self, name: str) -> None:
        """Read one deployment's intent again; forget it when it is deleted."""
        with self._db.read():
            try:
                deployment = deployments.get_deployment(self._db, name)
            except NotFound:
                intent = None
            else:
                intent = Intent(deployment, {v.number: v for v in versions.list_versions(self._db, name)})
        with self._lock:
            if intent is None:
                self._intents.pop(name, None)
            else:
                self._intents[name] = intent

    def refresh_all(self) -> None:
        """Read again what has another revision than the one known."""
        stored = {deployment.name: deployment for deployment in deployments.list_deployments(self._db)}
        with self._lock:
            known = {name: intent.deployment.revision for name, intent in self._intents.items()}
        for name in known.keys() - stored.keys():
            self.refresh(name)
        for name, deployment in stored.items():
            if known.get(name) != deployment.revision:
                self.refresh(name)

    def names(self) -> list[str]:
        with self._lock:
            return sorted(self._intents)

    def workloads(self) -> frozenset[str]:
        """Return the ids of all versions that stand in the database."""
        with self._lock:
            return frozenset(v.workload for intent in self._intents.values() for v in intent.versions.values())

    def has_version(self, workload: str) -> bool:
        """Return whether a workload is a version that stands in the database."""
        name, number = parse_workload_id(workload)
        with self._lock:
            intent = self._intents.get(name)
            return intent is not None and number in intent.versions

    def workloads_of(self, name: str) -> list[str]:
        """Return the ids of a deployment's versions, as stored or observed."""
        with self._lock:
            intent = self._intents.get(name)
            numbers = set(intent.versions if intent else ()) | set(self._observations.get(name, ()))
            return [workload_id(name, number) for number in sorted(numbers)]

    # observations

    def note(self, observed: Mapping[str, Observation], asked: frozenset[str] | None) -> None:
        """Keep what was observed; of those `asked` for (None: all), the ones without an answer are gone."""
        with self._lock:
            self._heard_at = self._clock()
            self._asked_at = self._asked_at and self._heard_at
            if asked is None:
                self._observations = {}
            for workload in asked or ():
                name, number = parse_workload_id(workload)
                self._observations.get(name, {}).pop(number, None)
            for workload, observation in observed.items():
                name, number = parse_workload_id(workload)
                self._observations.setdefault(name, {})[number] = observation
            if asked is None:
                self._judge(Freshness.FRESH, None)

    def note_asking(self, is_asking: bool) -> None:
        """Say when the scheduler begins to be spoken to, and when that is over."""
        with self._lock:
            self._asked_at = self._clock() if is_asking else None

    def note_unreachable(self, doubt: Reason) -> None:
        """The scheduler did not answer, for the reason `doubt`: what is known grows old."""
        with self._lock:
            self._judge(Freshness.NEVER if self._freshness is Freshness.NEVER else Freshness.STALE, doubt)

    def _judge(self, freshness: Freshness, doubt: Reason | None) -> None:
        """Say how what is known is to be taken. It is told with every state: all who wait for a change hear of it."""
        if (freshness, doubt and doubt.code) != (self._freshness, self._doubt and self._doubt.code):
            self._changes.bump_all()
        self._freshness, self._doubt = freshness, doubt

    def note_usage(self, samples: list[Usage], workload_of: Mapping[str, str]) -> None:
        """Keep the newest sample of each replica; `workload_of` maps replica ids to workload ids."""
        with self._lock:
            self._usage = {(workload_of.get(s.replica, ""), s.replica): s for s in samples}

    def usage(self) -> Mapping[tuple[str, str], Usage]:
        """Return the newest sample by (workload id, replica id)."""
        return self._usage

    @property
    def freshness(self) -> Freshness:
        return self._freshness

    @property
    def doubt(self) -> Reason | None:
        """Why what is known is not fresh; None while it is, and before anybody has asked."""
        return self._doubt

    def outlook(self) -> tuple[datetime, Freshness, Reason | None]:
        """Return how readers are to take what is known: as of when, how fresh, and why not.

        While the scheduler is out of reach no deadline passes: who is not seen cannot be late. It is so, too, while it
        lets itself be asked and says nothing.
        """
        with self._lock:
            now = self._clock()
            if self._freshness is Freshness.FRESH:
                is_silent = self._asked_at is not None and now - self._asked_at > SILENCE
                return (self._heard_at, Freshness.STALE, None) if is_silent else (now, Freshness.FRESH, None)
            return self._heard_at, self._freshness, self._doubt

    def observed(self) -> list[tuple[str, Observation]]:
        """Return all observations with their workload ids."""
        with self._lock:
            return [
                (workload_id(name, number), observation)
                for name, by_number in self._observations.items()
                for number, observation in by_number.items()
            ]

    # both

    def situation(self, name: str) -> Situation | None:
        """Return one deployment as it is; None when there is none."""
        with self._lock:
            intent = self._intents.get(name)
            if intent is None:
                return None
            return Situation(intent.deployment, dict(intent.versions), dict(self._observations.get(name, {})))

    def view(self, name: str) -> DeploymentView:
        """Return the view of one deployment. Raise NotFound."""
        situation = self.situation(name)
        if situation is None:
            raise NotFound(f"there is no deployment {name!r}; `serai ls` names those there are", "deployment-not-found")
        now, freshness, doubt = self.outlook()
        return make_view(situation, now, self._changes.index(name), freshness, doubt)

    def views(self) -> list[DeploymentView]:
        """Return the views of all deployments by name."""
        now, freshness, doubt = self.outlook()
        with self._lock:
            situations = [situation for name in sorted(self._intents) if (situation := self.situation(name))]
        index = self._changes.index
        return [make_view(s, now, index(s.deployment.name), freshness, doubt) for s in situations]
