"""`/keys`: the keys of who looks, an administrator's being all: made, edited, rotated and revoked."""

from __future__ import annotations

import flask
from flask import Blueprint
from werkzeug.wrappers import Response

from serai.domain.errors import Invalid
from serai.domain.keys import Key
from serai.domain.quantity import parse_duration
from serai.plugin import Permission
from serai.reconcile.core import Core
from serai.reconcile.keys import SAME, KeyChange
from serai.web.reading import read_model
from serai.web.shapes.keys import KeyBody

from .forms import check_confirmation, see
from .viewer import get_viewer, may

LIFETIMES = (("", "never"), ("30d", "in 30 days"), ("90d", "in 90 days"), ("365d", "in a year"))
OVERLAPS = (("0s", "at once"), ("1h", "in an hour"), ("1d", "in a day"), ("7d", "in a week"))
_AS_IT_IS = "same"


class KeysPage:
    def __init__(self, core: Core) -> None:
        self._core = core

    def register(self, ui: Blueprint) -> None:
        ui.get("/keys", endpoint="keys")(self.show)
        ui.post("/keys", endpoint="create_key")(self.create)
        ui.post("/keys/<int:id>/edit", endpoint="edit_key")(self.edit)
        ui.post("/keys/<int:id>/rotate", endpoint="rotate_key")(self.rotate)
        ui.post("/keys/<int:id>/revoke", endpoint="revoke_key")(self.revoke)

    def show(self) -> str:
        """Show all keys, or with `?deployment=` those that open it, which a new one then does as well."""
        return self._render(None)

    def create(self) -> str | tuple[str, int]:
        """Make a key and show its secret: in this answer, never at an address that could be asked again."""
        try:
            asked = _read_form()
            lifetime_s = parse_duration(asked.expires_in, "expires_in") if asked.expires_in else None
            caller = get_viewer().identity
            key, secret = self._core.keys.create(caller, asked.name, asked.deployments, lifetime_s)
        except Invalid as error:
            return self._render(error), 422
        return _show_secret(key, secret)

    def edit(self, id: int) -> Response:
        asked = _read_form()
        ends = flask.request.form.get("expires_in", _AS_IT_IS)
        lifetime_s = parse_duration(asked.expires_in, "expires_in") if asked.expires_in else None
        change = KeyChange(asked.name, asked.deployments, SAME if ends == _AS_IT_IS else lifetime_s)
        self._core.keys.change(get_viewer().identity, id, change)
        return see("ui.keys", "saved")

    def rotate(self, id: int) -> str:
        overlap_s = parse_duration(flask.request.form.get("overlap", ""), "overlap")
        return _show_secret(*self._core.keys.rotate(get_viewer().identity, id, overlap_s))

    def revoke(self, id: int) -> Response:
        caller = get_viewer().identity
        check_confirmation(self._core.keys.get(caller, id).prefix)
        self._core.keys.revoke(caller, id)
        return see("ui.keys", "key-revoked")

    def _render(self, error: Invalid | None) -> str:
        index = self._core.changes.index()
        deployment = flask.request.args.get("deployment", "")
        names = self._core.cluster.names()
        has_store, caller = self._core.keys.has_store, get_viewer().identity
        keys = self._core.keys.list_keys(caller, deployment or None) if has_store else []
        return flask.render_template(
            "serai/keys.html",
            keys=keys,
            has_store=has_store,
            names=names,
            deployment=deployment,
            is_administrator=may(self._core, Permission.ADMIN),
            lifetimes=LIFETIMES,
            overlaps=OVERLAPS,
            error=error,
            sent=flask.request.form,
            index=index,
        )


def _read_form() -> KeyBody:
    """Return what the form wants a key to be. Raise Invalid as the API does."""
    form = flask.request.form
    ends = form.get("expires_in", "")
    values: dict[str, object] = {
        "name": form.get("name", "").strip(),
        "expires_in": None if ends in {"", _AS_IT_IS} else ends,
    }
    if form.get("reach") == "named":
        values["deployments"] = form.getlist("deployments")
    return read_model(KeyBody, values)


def _show_secret(key: Key, secret: str) -> str:
    return flask.render_template("serai/key_secret.html", key=key, secret=secret)
