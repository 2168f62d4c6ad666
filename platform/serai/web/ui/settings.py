"""`/d/<name>/settings`: what changes without a new version, and deleting the deployment."""

from __future__ import annotations

import flask
from flask import Blueprint
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from serai.domain.deployment import HandoverMode
from serai.domain.errors import Invalid
from serai.domain.spec_text import dump_timeouts
from serai.reconcile.core import Core

from .forms import check_confirmation, read_whole_number, see
from .heading import Heading, load_heading
from .manifest_text import write_value
from .traffic_form import CORS, LIMITS, read_traffic, traffic_texts
from .viewer import get_viewer

TIMEOUTS = (
    ("connect", "Connect", "until a replica accepts the connection"),
    ("first_byte", "First byte", "until the answer begins; 0 waits for ever"),
    ("idle", "Idle", "between two pieces of an answer; 0 waits for ever"),
    ("total", "Total", "for the whole request; 0 has no limit"),
)
HANDOVERS = (
    (HandoverMode.AUTO, "Auto", "the gentlest of the three that fits at that moment"),
    (HandoverMode.OVERLAP, "Overlap", "the old version serves at full count until the new one is ready"),
    (HandoverMode.ROLLING, "Rolling", "replica by replica, where there is little room"),
    (HandoverMode.REPLACE, "Replace", "the old one stops first; requests are held, and refused if it takes too long"),
)


class SettingsPage:
    def __init__(self, core: Core) -> None:
        self._core = core

    def register(self, ui: Blueprint) -> None:
        ui.get("/d/<name>/settings", endpoint="settings")(self.show)
        ui.post("/d/<name>/settings", endpoint="save_settings")(self.save)
        ui.post("/d/<name>/delete", endpoint="delete")(self.delete)

    def show(self, name: str) -> str:
        return self._render(load_heading(self._core, name, "settings"), None)

    def save(self, name: str) -> Response | tuple[str, int]:
        """Change what the sent form holds; each form of the page is a part of the settings."""
        try:
            self._core.lifecycle.change(name, read_values(flask.request.form), actor=get_viewer().identity)
        except Invalid as error:
            return self._render(load_heading(self._core, name, "settings"), error), 422
        return see("ui.settings", "saved", name=name)

    def delete(self, name: str) -> Response:
        check_confirmation(name)
        self._core.lifecycle.delete(name, actor=get_viewer().identity)
        return see("ui.deployments", "deleted")

    def _render(self, heading: Heading, error: Invalid | None) -> str:
        keys = self._core.keys
        return flask.render_template(
            "serai/settings.html",
            heading=heading,
            error=error,
            sent=flask.request.form,
            timeouts=TIMEOUTS,
            timeout_texts=timeout_texts(heading),
            handovers=HANDOVERS,
            limits=LIMITS,
            cors=CORS,
            traffic_texts=traffic_texts(heading.view.deployment.settings),
            has_keys=self._core.plugins.grants_keys(),
            has_key_store=keys.has_store,
            deployment_keys=keys.list_keys(get_viewer().identity, heading.name) if keys.has_store else [],
        )


def read_values(form: MultiDict[str, str]) -> dict[str, object]:
    """Return the form's fields as the body of a PATCH."""
    values: dict[str, object] = {key: form[key] for key in ("access", "key_header", "handover") if key in form}
    if "replicas" in form:
        values["replicas"] = read_whole_number("replicas")
    timeouts = {key: read_duration(form[f"timeouts.{key}"]) for key, _, _ in TIMEOUTS if f"timeouts.{key}" in form}
    return values | ({"timeouts": timeouts} if timeouts else {}) | read_traffic(form)


def read_duration(text: str) -> object:
    """Return a bare number as seconds, as a manifest has it, and any other text as it stands."""
    text = text.strip()
    return float(text) if text.replace(".", "", 1).isdigit() else text


def timeout_texts(heading: Heading) -> dict[str, str]:
    """Return the time-outs as they would be typed, exactly: saving the form unread changes nothing."""
    timeouts = dump_timeouts(heading.view.deployment.settings.timeouts)
    return {key: str(write_value("timeout", value)) for key, value in timeouts.items()}
