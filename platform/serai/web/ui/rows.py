"""The rows of the list, kept ready: with a thousand deployments only those that changed are drawn again."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import flask
from markupsafe import Markup

from serai.reconcile.views import DeploymentView

from .words import state_word


@dataclass(frozen=True, slots=True)
class Row:
    """A deployment in the list. `text` is what the filter looks through, in small letters; `cells` its drawing."""

    view: DeploymentView
    gpus: int
    text: str
    cells: Markup

    @property
    def name(self) -> str:
        return self.view.deployment.name

    def matches(self, words: list[str]) -> bool:
        return all(word in self.text for word in words)


class Rows:
    """Safe from any thread. A row is drawn again when its view differs in anything but the index."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drawn: dict[str, Row] = {}

    def draw(self, views: list[DeploymentView]) -> list[Row]:
        """Return a row for each view, and forget those of other deployments."""
        with self._lock:
            known = self._drawn
        rows = {view.deployment.name: _take(known.get(view.deployment.name), view) for view in views}
        with self._lock:
            self._drawn = rows
        return list(rows.values())


def _take(known: Row | None, view: DeploymentView) -> Row:
    if known and known.view.deployment == view.deployment and known.view.versions == view.versions:
        return known
    return _draw(view)


def _draw(view: DeploymentView) -> Row:
    gpus = sum(len(replica.gpus) for version in view.versions for replica in version.replicas if replica.live)
    template = flask.current_app.jinja_env.get_template("serai/_row.html")
    cells = template.module.row(view, gpus)  # type: ignore[attr-defined]
    return Row(view, gpus, _text_of(view), Markup(cells))  # noqa: S704 - escaped by the template


def _text_of(view: DeploymentView) -> str:
    words = [view.deployment.name, view.deployment.owner]
    if view.shown:
        words.append(state_word(view.shown.status.state))
    if view.shown and view.shown.status.reason:
        words.append(view.shown.status.reason.text)
    return " ".join(words).lower()
