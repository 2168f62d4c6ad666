"""Tell readers and gateways what became different: change indexes and the route table."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime

from serai.domain.deployment import Access, Deployment
from serai.domain.handover import Situation, serving
from serai.domain.routes import Grant, Route
from serai.domain.status import derive_status

from .changes import Changes
from .cluster import Cluster
from .drains import Drains
from .routes import RoutePublisher, make_route
from .views import DeploymentView, Freshness, make_view

log = logging.getLogger(__name__)


class Announcer:
    """Compares what readers would see now with what they saw last, deployment by deployment.

    `announce` has one caller at a time; `publish_access` any number.
    """

    def __init__(
        self,
        cluster: Cluster,
        changes: Changes,
        routes: RoutePublisher,
        drains: Drains,
        grants: Callable[[Deployment], Sequence[Grant]],
        clock: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._changes = changes
        self._routes = routes
        self._drains = drains
        self._grants = grants
        self._clock = clock
        self._seen: dict[str, DeploymentView] = {}
        # Who may call is read and published under it: a slow tick must not publish a grant that was taken away since.
        self._publishing = threading.Lock()

    def names(self) -> frozenset[str]:
        """Return the deployments that readers have been told of."""
        return frozenset(self._seen)

    def announce(self, names: Collection[str], complete: bool) -> None:
        """Publish what is different for `names`; `complete` says that these are all there are."""
        now, leaving = self._clock(), self._drains.leaving()
        is_fresh = self._cluster.freshness is Freshness.FRESH
        routes: dict[str, Route | None] = {}
        with self._publishing:
            situations = {name: self._cluster.situation(name) for name in names}
            for name, situation in situations.items():
                if situation is None:
                    routes[name] = None
                elif is_fresh:
                    routes[name] = self._make_route(situation, leaving, now)
                else:  # without an observation the gateways' last table is better than a guess
                    routes |= self._admit_anew(situation.deployment)
            self._drains.note_published(self._routes.publish(routes, complete and is_fresh))
        for name, situation in situations.items():  # after the routes: who reads that it runs may call it
            self._note_view(name, situation)

    def publish_access(self, names: Collection[str]) -> None:
        """Publish at once who may call `names` now, the rest of their routes as it was; needs no scheduler."""
        with self._publishing:
            routes: dict[str, Route | None] = {}
            for name in names:
                if situation := self._cluster.situation(name):
                    routes |= self._admit_anew(situation.deployment)
            self._routes.publish(routes, complete=False)

    def _admit_anew(self, deployment: Deployment) -> dict[str, Route | None]:
        """Return the published route with the access of now; nothing where there is none yet."""
        route = self._routes.route(deployment.name)
        if route is None:
            return {}
        access, grants = deployment.settings.access, self._load_grants(deployment)
        return {deployment.name: replace(route, access=access, grants=grants)}

    def _load_grants(self, deployment: Deployment) -> tuple[Grant, ...]:
        is_keyed = deployment.settings.access is Access.KEYS
        return tuple(self._grants(deployment)) if is_keyed else ()

    def _note_view(self, name: str, situation: Situation | None) -> None:
        now, freshness, doubt = self._cluster.outlook()
        view = make_view(situation, now, 0, freshness, doubt) if situation else None
        before = self._seen.get(name)
        if view == before:
            return
        _log_states(before, view)
        if view is None:
            self._seen.pop(name, None)
        else:
            self._seen[name] = view
        self._changes.bump(name)

    def _make_route(self, situation: Situation, leaving: frozenset[str], now: datetime) -> Route:
        version = serving(situation)
        status = derive_status(situation, version, now) if version else None
        return make_route(situation, status, leaving, self._load_grants(situation.deployment))


def _log_states(before: DeploymentView | None, after: DeploymentView | None) -> None:
    old = {view.version.number: view.status for view in before.versions} if before else {}
    for view in after.versions if after else ():
        was, status = old.get(view.version.number), view.status
        if was is None or was.state is not status.state:
            reason = f" ({status.reason.code})" if status.reason else ""
            log.info("%s: %s -> %s%s", view.version.workload, was.state if was else "new", status.state, reason)
