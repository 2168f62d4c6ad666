"""Fetching a bundle onto a node: an artifact with a checksum, and a token of the replica's own that opens it alone."""

from __future__ import annotations

from serai_nomad.facts import Json

from .bundle_contents import BundleContents
from .durations import nanoseconds

IDENTITY = "serai"
AUDIENCE = "serai"
TOKEN_LIFE_S = 900.0  # Nomad makes a new one in half that time for as long as the task runs
# In the folder that all tasks of a replica share: the one that installs packages and the model need the bundle once.
FOLDER = "../alloc/bundle"
ARCHIVE = "../alloc/bundle.tar"


def make_fetch(bundle: str, server_url: str, contents: BundleContents, user: str) -> dict[str, object]:
    """Return the keys of the task that fetches `bundle` (sha256:<hex>) from the server.

    The token stands nowhere: Nomad signs one for each replica and puts it into the header on the node. Where `user` is
    named, the files become theirs.
    """
    artifact: dict[str, object] = {
        "GetterSource": f"{server_url}/api/v1/bundles/{bundle}",
        "GetterHeaders": {"Authorization": f"Bearer ${{NOMAD_TOKEN_{IDENTITY}}}"},
        "GetterMode": "file" if contents.needs_tar else "any",
        "GetterOptions": {"checksum": bundle, "archive": _archive(contents)},
        "RelativeDest": ARCHIVE if contents.needs_tar else FOLDER,
    }
    return {
        "Artifacts": [artifact | ({"Chown": True} if user else {})],
        "Identities": [make_identity()],
    }


def make_identity() -> Json:
    """Return the identity whose token the server takes for bundles; a new one need not restart the task."""
    return {
        "Name": IDENTITY,
        "Audience": [AUDIENCE],
        "Env": True,
        "TTL": nanoseconds(TOKEN_LIFE_S),
        "ChangeMode": "noop",
    }


def _archive(contents: BundleContents) -> str:
    if contents.needs_tar:
        return "false"
    return "tar.gz" if contents.is_packed else "tar"
