"""Deploying by the client within this process: what a test does many times need not cost a process each time."""

from __future__ import annotations

from pathlib import Path

from serai.client.answers import DeploymentAnswer
from serai.client.client import Client
from serai.client.manifest_file import load_manifest_file
from serai.client.pack import pack_folder
from serai.client.upload import upload_bundle


def put_folder(client: Client, folder: Path, patience_s: float = 10) -> DeploymentAnswer:
    """Deploy a folder as `serai deploy --detach` does. Raise SeraiError."""
    values = load_manifest_file(folder).values
    with pack_folder(folder) as packed:
        upload_bundle(client, packed.path, packed.digest, patience_s=patience_s)
        name = str(values.get("name", folder.name))
        return client.put_deployment(name, {**values, "name": name, "bundle": packed.digest})[0]
