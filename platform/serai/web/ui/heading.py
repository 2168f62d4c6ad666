"""What stands above every page of one deployment: its state, its address, and what can be done with it now."""

from __future__ import annotations

from dataclasses import dataclass

from serai.domain.status import State
from serai.reconcile.core import Core
from serai.reconcile.views import DeploymentView, VersionView

TABS = (
    ("overview", "Overview"),
    ("versions", "Versions"),
    ("metrics", "Metrics"),
    ("logs", "Logs"),
    ("console", "Test"),
    ("settings", "Settings"),
)


@dataclass(frozen=True, slots=True)
class Heading:
    """A deployment for its pages. `index` is its topic's index from before it was read, so that no change is missed."""

    view: DeploymentView
    url: str
    index: int
    tab: str

    @property
    def name(self) -> str:
        return self.view.deployment.name

    @property
    def shown(self) -> VersionView | None:
        return self.view.shown

    @property
    def is_on(self) -> bool:
        """True if there is something to stop."""
        deployment = self.view.deployment
        return deployment.active is not None or deployment.incumbent is not None

    @property
    def may_rest(self) -> bool:
        """True if it can be made idle: it runs, and a request could wake it again."""
        deployment, shown = self.view.deployment, self.view.shown
        is_settled = deployment.active is not None and deployment.incumbent is None and deployment.count > 0
        return is_settled and shown is not None and shown.status.state is State.RUNNING

    @property
    def startable(self) -> VersionView | None:
        """The version that Start would start: the one that is shown, where nothing is on."""
        shown = self.view.shown
        return None if self.is_on or shown is None or shown.status.state is State.SHUTTING_DOWN else shown


def load_heading(core: Core, name: str, tab: str) -> Heading:
    """Return the heading of a deployment. Raise NotFound."""
    index = core.changes.index(name)
    view = core.cluster.view(name)
    return Heading(view, f"{core.gateway_url.rstrip('/')}/{name}/", index, tab)


def get_version(heading: Heading, number: int) -> VersionView | None:
    return heading.view.version(number)
