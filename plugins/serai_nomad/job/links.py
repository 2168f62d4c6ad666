"""What people see of a job in Nomad's own UI: a description, and links back to Serai."""

from __future__ import annotations

import re

from serai.domain.observation import Workload
from serai_nomad.facts import Json

_MOST_CHARACTERS = 1000  # of Nomad
_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&:@/])")


def make_ui(workload: Workload, server_url: str, endpoint: str, owner: str) -> Json:
    """Return the job's UI block. `server_url` and `endpoint` are addresses without a slash at the end, or ""."""
    page = f"{server_url}/d/{workload.deployment}"
    links = [
        ("Open in Serai", page if server_url else ""),
        (f"Version {workload.version}", f"{page}/versions/{workload.version}" if server_url else ""),
        ("Endpoint", endpoint),
    ]
    return {
        "Description": _describe(workload, owner)[:_MOST_CHARACTERS],
        "Links": [{"Label": label, "URL": url} for label, url in links if url.startswith(("http://", "https://"))],
    }


def escape_markdown(text: str) -> str:
    """Return `text` so that it shows as it is, on one line."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))


def _describe(workload: Workload, owner: str) -> str:
    of = f", owner {escape_markdown(owner[:200])}" if owner else ""
    return f"**{workload.deployment}** version {workload.version}{of}. Scale, stop and update it in Serai, not here."
