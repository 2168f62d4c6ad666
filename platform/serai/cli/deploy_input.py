"""What `serai deploy` is to deploy: the folder's manifest, the options over it, the secrets asked for."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from serai.client.manifest_file import ManifestFile, load_manifest_file
from serai.client.secrets import fill_secrets
from serai.domain.errors import Invalid
from serai.domain.names import suggest_name


def load_manifest(folder: Path | None, image: str | None, name: str | None, replicas: int | None) -> ManifestFile:
    """Return the manifest to deploy, always with a name.

    `folder` None is an image alone. The name is the option's, else the manifest's, else the folder's or the image's.
    Invalid where nothing says what to run, and for whatever is wrong in the manifest.
    """
    manifest = _load_folder(folder) if folder else ManifestFile({})
    fallback = folder.resolve().name if folder else (image or "").rpartition("/")[2].partition(":")[0]
    options: dict[str, Any] = {"image": image, "name": name, "replicas": replicas}
    values = {**manifest.values, **{key: value for key, value in options.items() if value is not None}}
    values["name"] = replace(manifest, values=values).parse(suggest_name(fallback)).name
    if folder and not (values.get("image") or values.get("command")):
        _check_start(folder)
    return replace(manifest, values=values)


def has_bundle(folder: Path, manifest: ManifestFile) -> bool:
    """Tell whether a folder is to be packed: not where it holds nothing but a manifest that names an image."""
    from serai.client.folder import list_folder

    return not manifest.values.get("image") or bool(list_folder(folder))


def ask_secrets(manifest: ManifestFile) -> ManifestFile:
    """Return the manifest with the values of its secrets; nothing is echoed."""
    secrets = manifest.parse().secrets
    if not secrets:
        return manifest
    filled = fill_secrets(secrets, os.environ, _ask if sys.stdin.isatty() else None)
    return replace(manifest, values=manifest.values | {"secrets": filled})


def _ask(secret: str) -> str:
    return str(click.prompt(f"Secret {secret}", hide_input=True, err=True))


def _load_folder(folder: Path) -> ManifestFile:
    if not folder.is_dir():
        raise Invalid(f"{folder} is not a folder; give the folder of the model, or --image", "folder")
    return load_manifest_file(folder)


def _check_start(folder: Path) -> None:
    """Refuse a folder that leaves the command to a start.sh it has not got."""
    if not (folder / "start.sh").is_file():
        raise Invalid(
            f"nothing says how to run {folder}: add a start.sh that listens on $PORT, or a serai.yaml with `command`",
            "command",
        )
