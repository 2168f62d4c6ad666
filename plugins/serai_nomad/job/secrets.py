"""The secrets of a workload: a Nomad variable that only the job's own tasks can read, never part of the job."""

from __future__ import annotations

from serai.domain.errors import Invalid
from serai.domain.observation import Workload

MOST_BYTES = 64 * 1024  # of Nomad: names and values of a variable together
_OWN = "SERAI_"


def is_secret(name: str) -> bool:
    """Tell whether a value that Serai adds to the spec's is a secret: all are, but for what it says of itself."""
    return not name.startswith(_OWN)


def make_variable_items(workload: Workload) -> dict[str, str]:
    """Return the items of the variable `nomad/jobs/<job id>`, {} where there is nothing secret.

    Raise Invalid where they are more than a variable holds (64 KiB).
    """
    items = {name: value for name, value in sorted(workload.env.items()) if is_secret(name)}
    size = sum(len(name.encode()) + len(value.encode()) for name, value in items.items())
    if size > MOST_BYTES:
        raise Invalid(f"secrets: {size} bytes are more than the {MOST_BYTES} of a Nomad variable", "secrets")
    return items
