"""`serai deploy`: from a folder or an image to a URL, in one command."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from serai.domain.errors import Invalid
from serai.domain.quantity import format_bytes

from .durations import read_seconds
from .fit import finish_fit
from .outcome import finish_start
from .progress import show_bytes
from .session import Session, connected
from .target import Target
from .waiting import STARTED, wait_for

if TYPE_CHECKING:
    from serai.client.manifest_file import ManifestFile
    from serai.client.pack import Packed


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--image", help="Deploy a container image; with FOLDER, together with it.")
@click.option("--name", help="Name of the deployment.  [default: the manifest's, else the folder's]")
@click.option("--replicas", type=click.IntRange(0), help="How many replicas to run.")
@click.option("--dry-run", is_flag=True, help="Tell whether it would fit now, and change nothing.")
@click.option("--detach", is_flag=True, help="Do not wait until it runs.")
@click.option("--timeout", "timeout_s", type=read_seconds, default="15m", help="Wait so long.  [default: 15m]")
@connected
def deploy(
    session: Session,
    folder: Path | None,
    image: str | None,
    name: str | None,
    replicas: int | None,
    dry_run: bool,
    detach: bool,
    timeout_s: float,
) -> None:
    """Deploy a folder or an image, and wait until it runs.

    FOLDER is the current one where none is given.
    The folder holds a `serai.yaml`, or just a `start.sh` that listens on $PORT. The same folder twice makes no new
    version. Secrets written as `{{ ask }}` are taken from the environment variable of their name, else asked for.

    \b
    Exit codes: 0 Running (or accepted, with --detach), 2 bad input, 3 Error, with the reason on stderr,
                4 not Running yet after --timeout, 1 anything else.
    With --dry-run: 0 fits now, 4 does not fit now, 3 will never fit.
    """
    from .deploy_input import ask_secrets, has_bundle, load_manifest

    place = None if image and folder is None else folder or Path()
    manifest = ask_secrets(load_manifest(place, image, name, replicas))
    with ExitStack() as stack:
        bundle = _pack(session, stack, place) if place and has_bundle(place, manifest) else None
        if bundle:
            manifest = replace(manifest, values=manifest.values | {"bundle": bundle.digest})
        if dry_run:
            finish_fit(session.out, session.client.check_fit(str(manifest.values["name"]), manifest.values))
            return
        if bundle:
            _upload(session, bundle)
    target, url = _put(session, manifest)
    if detach:
        _say_accepted(session, target, url)
        return
    finish_start(session.out, target, wait_for(session, target, STARTED, timeout_s), url)


def _pack(session: Session, stack: ExitStack, folder: Path) -> Packed:
    """Return the packed folder, which lasts as long as `stack`."""
    from serai.client.pack import pack_folder

    with show_bytes(session.out, "packing") as progress:
        return stack.enter_context(pack_folder(folder, progress))


def _upload(session: Session, packed: Packed) -> None:
    from serai.client.upload import upload_bundle

    with show_bytes(session.out, "uploading") as progress:
        was_sent = upload_bundle(session.client, packed.path, packed.digest, progress)
    if was_sent:
        files = "1 file" if packed.files == 1 else f"{packed.files} files"
        session.out.say(f"{files}, {format_bytes(packed.size_bytes)} uploaded")


def _put(session: Session, manifest: ManifestFile) -> tuple[Target, str]:
    """Deploy. Return the version that is to run now, and its address."""
    name = str(manifest.values["name"])
    try:
        deployment, is_new = session.client.put_deployment(name, manifest.values)
    except Invalid as error:
        raise manifest.locate(error) from error
    target = Target(name, deployment.get("active") or deployment["versions"][0]["number"])
    if not is_new:
        session.out.say(f"{target} is the same; no new version is made.")
    return target, deployment["url"]


def _say_accepted(session: Session, target: Target, url: str) -> None:
    if session.out.as_json:
        session.out.document({"name": target.name, "version": target.version, "url": url})
    else:
        session.out.say(f"{target} is on its way to {url}; see `serai status {target.name}`.")
