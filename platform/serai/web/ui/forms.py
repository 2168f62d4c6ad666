"""Reading forms, and answering them with a redirect, so that reloading a page never sends one again."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from serai.domain.errors import Invalid


def see(endpoint: str, note: str, **values: object) -> Response:
    """Redirect to a page that says the note."""
    return flask.redirect(flask.url_for(endpoint, note=note, **values), 303)  # type: ignore[arg-type]


def read_whole_number(field: str) -> int:
    """Return a form field as a number. Raise Invalid naming the field."""
    text = flask.request.form.get(field, "").strip()
    if not text.isascii() or not text.isdigit():
        raise Invalid(f"{field}: {text!r} has to be a whole number", field)
    return int(text)


def check_confirmation(expected: str) -> None:
    """Raise Invalid unless the name that was asked for was typed."""
    typed = flask.request.form.get("confirm", "").strip()
    if typed != expected:
        raise Invalid(f"To delete it for good, type {expected!r}; you typed {typed!r}.", "confirm", "not-confirmed")
