"""Names of deployments and the ids made of them."""

from __future__ import annotations

import re

from .errors import Invalid

# 63 is the limit of a DNS label and of a Nomad service; "-v" and a version number of ten digits have to fit.
MAX_NAME = 51
NAME_PATTERN = r"[a-z0-9]([a-z0-9-]{0,49}[a-z0-9])?"
_NAME = re.compile(NAME_PATTERN)
_WORKLOAD = re.compile(rf"({NAME_PATTERN})-v([1-9][0-9]{{0,9}})")


def check_name(name: str, field: str = "name") -> str:
    """Return `name` if it can name a deployment, else raise Invalid with a name that could."""
    if _NAME.fullmatch(name):
        return name
    raise Invalid(
        f"{name!r} cannot name a deployment: use at most {MAX_NAME} of a-z, 0-9 and inner '-'"
        f" (for example {suggest_name(name)!r})",
        field,
        code="invalid-name",
    )


def suggest_name(text: str) -> str:
    """Return the valid name nearest to `text`, such as a folder's name."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:MAX_NAME].strip("-")
    return name or "model"


def workload_id(deployment: str, number: int) -> str:
    """Return the id under which a scheduler knows a version: `<deployment>-v<number>`, at most 63 characters."""
    return f"{deployment}-v{number}"


def parse_workload_id(workload: str) -> tuple[str, int]:
    """Return (deployment, version number) of a workload id; raise Invalid for anything else."""
    match = _WORKLOAD.fullmatch(workload)
    if not match:
        raise Invalid(f"{workload!r} is not the id of a workload (<deployment>-v<number>)", "id")
    return match[1], int(match[3])
