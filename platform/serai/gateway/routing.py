"""Which deployment a request is for, and the target its model gets to see. Pure.

Targets are bytes as they came: escapes, doubled slashes and the query stay as the caller wrote them.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Destination:
    """`prefix` is what was taken off the path: `/<deployment>`, or "" where the host named the deployment."""

    deployment: str
    target: str
    prefix: str


def find_destination(target: str, host: str, domain: str, known: Container[str]) -> Destination | None:
    """Return where a request goes, None for nowhere.

    `<deployment>.<domain>` as host wins where there is such a deployment, so that the gateway's own name may lie in
    the same domain; otherwise the first segment of the path is the deployment and is taken off.
    """
    path = to_origin_form(target)
    by_host = deployment_of_host(host, domain)
    if by_host in known:
        return Destination(by_host, path, "")
    name, rest = split_prefix(path)
    return Destination(name, rest, "/" + name) if name in known else None


def deployment_of_host(host: str, domain: str) -> str:
    """Return the label before `.domain` in lower case, without a port; "" where the host is another."""
    if not domain:
        return ""
    name = host.lower().partition(":")[0].rstrip(".")
    label = name.removesuffix("." + domain.lower())
    return label if label != name and "." not in label else ""


def split_prefix(path: str) -> tuple[str, str]:
    """Return the first segment and the rest: `/digits//a?b` is `digits` and `//a?b`, `/digits?b` is `digits`, `/?b`."""
    if not path.startswith("/"):
        return "", path
    ends = [at for at in (path.find("/", 1), path.find("?", 1)) if at > 0]
    end = min(ends, default=len(path))
    rest = path[end:]
    return path[1:end], rest if rest.startswith("/") else "/" + rest


def to_origin_form(target: str) -> str:
    """Return path and query of a target that may be in absolute form (`http://host/path`)."""
    scheme, found, rest = target.partition("://")
    if not found or not scheme.isalpha():
        return target
    ends = [at for at in (rest.find("/"), rest.find("?")) if at >= 0]
    path = rest[min(ends) :] if ends else "/"
    return path if path.startswith("/") else "/" + path
