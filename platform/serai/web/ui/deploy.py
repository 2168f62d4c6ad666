"""`/new` and `/d/<name>/new`: a new deployment or version from a folder, an archive or an image, and a manifest."""

from __future__ import annotations

from dataclasses import dataclass, replace

import flask
from flask import Blueprint
from werkzeug.wrappers import Response

from serai.domain.errors import Conflict, Invalid, NotFound, NotSupported
from serai.domain.manifest import ASK, Manifest
from serai.domain.names import check_name
from serai.domain.observation import Fit
from serai.reconcile.core import Core

from .forms import see
from .heading import Heading, load_heading
from .manifest_text import read_manifest_text, write_manifest_text
from .uploads import receive_archive
from .viewer import get_viewer

SOURCES = ("folder", "archive", "image", "same")
BLANK = """\
# Every key is optional. A folder that holds a serai.yaml fills this in.
command: ./start.sh
replicas: 1
resources: {cpu: 1, memory: 1GiB}
health: {http: /healthz}
"""


@dataclass(frozen=True, slots=True)
class Draft:
    """What stands in the form. `bundle` is what was uploaded already; `asks` are secrets that need a value."""

    name: str
    manifest: str
    source: str
    bundle: str = ""
    image: str = ""
    base: int | None = None
    asks: tuple[str, ...] = ()


class DeployPages:
    def __init__(self, core: Core) -> None:
        self._core = core

    def register(self, ui: Blueprint) -> None:
        ui.get("/new", endpoint="new")(self.show_new)
        ui.post("/new", endpoint="deploy_new")(self.deploy_new)
        ui.get("/d/<name>/new", endpoint="new_version")(self.show_version)
        ui.post("/d/<name>/new", endpoint="deploy_version")(self.deploy_version)

    def show_new(self) -> str:
        return self._render(None, Draft("", BLANK, "folder"))

    def show_version(self, name: str) -> str:
        """Show the form filled with the spec of `?from=`, else of the version that is shown."""
        heading = load_heading(self._core, name, "versions")
        number = flask.request.args.get("from", 0, type=int)
        view = heading.view.version(number) if number else heading.shown
        if view is None:
            return self._render(heading, Draft(name, BLANK, "folder"))
        spec = view.version.spec
        text = write_manifest_text(replace(spec, image=""))
        source = "image" if spec.image and not spec.bundle else "folder" if not number else "same"
        return self._render(heading, Draft(name, text, source, spec.bundle, spec.image, view.version.number))

    def deploy_new(self) -> Response | tuple[str, int]:
        return self._deploy(None)

    def deploy_version(self, name: str) -> Response | tuple[str, int]:
        return self._deploy(load_heading(self._core, name, "versions"))

    def _deploy(self, heading: Heading | None) -> Response | tuple[str, int]:
        """Deploy what was sent, or say whether it would fit; a mistake is shown at the field it stands in."""
        draft = read_draft(heading)
        try:
            draft = replace(draft, bundle=self._find_bundle(heading, draft))
            manifest = self._read(heading, draft)
            draft = replace(draft, asks=tuple(sorted(manifest.secrets)) if ASK in manifest.secrets.values() else ())
            manifest = replace(manifest, secrets=fill_secrets(manifest))
            if flask.request.form.get("action") == "check":
                return self._render(heading, draft, fit=self._check(manifest)), 200
            return self._start(manifest)
        except (Invalid, NotFound, Conflict, NotSupported) as error:
            return self._render(heading, draft, error=error), 422

    def _start(self, manifest: Manifest) -> Response:
        deployed = self._core.lifecycle.deploy(manifest, actor=get_viewer().identity)
        note = "deployed" if deployed.created_version else "unchanged"
        number = deployed.view.deployment.active
        if number is None:
            return see("ui.overview", note, name=manifest.name)
        return see("ui.version", note, name=manifest.name, number=number)

    def _check(self, manifest: Manifest) -> Fit:
        return self._core.lifecycle.check_fit(manifest)

    def _read(self, heading: Heading | None, draft: Draft) -> Manifest:
        more: dict[str, object] = {"name": check_name(draft.name)}
        if draft.bundle:
            more["bundle"] = draft.bundle
        if draft.source == "image":
            more["image"] = draft.image
        manifest = read_manifest_text(draft.manifest, draft.name, more)
        if heading is None and manifest.name in self._core.cluster.names():
            raise Invalid(
                f"There is a deployment {manifest.name!r} already; make a new version on its page, or choose"
                " another name.", "name", "name-taken",
            )  # fmt: skip
        return manifest

    def _find_bundle(self, heading: Heading | None, draft: Draft) -> str:
        file = flask.request.files.get("archive")
        if draft.source == "archive" and file is not None and file.filename:
            return receive_archive(self._core.blobs, file)
        if draft.source == "same" and heading is not None:
            view = heading.view.version(draft.base or 0)
            return view.version.spec.bundle if view else ""
        if draft.source == "image":
            return ""
        if not draft.bundle:
            raise Invalid("Choose a folder or a .tar.gz file first.", "source")
        return draft.bundle

    def _render(
        self, heading: Heading | None, draft: Draft, error: Exception | None = None, fit: Fit | None = None
    ) -> str:
        return flask.render_template("serai/deploy.html", heading=heading, draft=draft, error=error, fit=fit)


def read_draft(heading: Heading | None) -> Draft:
    form = flask.request.form
    source = form.get("source", "folder")
    return Draft(
        name=heading.name if heading else form.get("name", "").strip(),
        manifest=form.get("manifest", "").replace("\r\n", "\n"),
        source=source if source in SOURCES else "folder",
        bundle=form.get("bundle", "").strip(),
        image=form.get("image", "").strip(),
        base=form.get("base", type=int),
    )


def fill_secrets(manifest: Manifest) -> dict[str, str]:
    """Return the secrets with those that ask for a value taken from the form. Raise Invalid for one without."""
    filled = dict(manifest.secrets)
    for name, value in manifest.secrets.items():
        if value == ASK:
            filled[name] = flask.request.form.get(f"secret.{name}", "")
            if not filled[name]:
                raise Invalid(f"{name} needs a value.", f"secrets.{name}", "secret-missing")
    return filled
