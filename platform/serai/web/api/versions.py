"""Versions: read, start, stop, delete."""

from __future__ import annotations

from serai.plugin.identity import Permission
from serai.web.dump import dump_version
from serai.web.endpoint import Answer, Call, Resource
from serai.web.log_feed import find_version
from serai.web.shapes.answers import VersionAnswer, VersionsAnswer
from serai.web.shapes.queries import NamePath, VersionPath, WaitQuery
from serai.web.waits import wait_for_change

resource = Resource("versions", "Numbered, immutable specs of a deployment, and what runs of them.")
_RULE = "/deployments/<name>/versions/<int:number>"


@resource.on("GET", "/deployments/<name>/versions", Permission.READ, {200: VersionsAnswer}, refuses=(404,), waits=True)
def list_versions(call: Call, path: NamePath, query: WaitQuery) -> Answer:
    """List the versions of a deployment, newest first."""
    call.core.cluster.view(path.name)
    headers = wait_for_change(call, path.name, query)
    return Answer([dump_version(version) for version in call.core.cluster.view(path.name).versions], headers=headers)


@resource.on("GET", _RULE, Permission.READ, {200: VersionAnswer}, refuses=(404,), waits=True)
def read_version(call: Call, path: VersionPath, query: WaitQuery) -> Answer:
    """Read a version: its state with the reason, its replicas, its spec."""
    find_version(call.core.cluster, path.name, path.number)
    headers = wait_for_change(call, path.name, query)
    return Answer(dump_version(find_version(call.core.cluster, path.name, path.number)), headers=headers)


@resource.on("POST", f"{_RULE}/start", Permission.WRITE, {202: VersionAnswer}, refuses=(404, 409))
def start_version(call: Call, path: VersionPath) -> Answer:
    """Make a version the active one; another that runs serves until this one is ready."""
    call.core.lifecycle.start(path.name, path.number, call.caller)
    return Answer(dump_version(find_version(call.core.cluster, path.name, path.number)), 202)


@resource.on("POST", f"{_RULE}/stop", Permission.WRITE, {202: VersionAnswer}, refuses=(404, 409))
def stop_version(call: Call, path: VersionPath) -> Answer:
    """Stop a version; its replicas finish their requests first. Nothing happens if it is not running."""
    find_version(call.core.cluster, path.name, path.number)
    call.core.lifecycle.stop(path.name, path.number, call.caller)
    return Answer(dump_version(find_version(call.core.cluster, path.name, path.number)), 202)


@resource.on("DELETE", _RULE, Permission.WRITE, {204: None}, refuses=(404, 409, 502, 503))
def delete_version(call: Call, path: VersionPath) -> Answer:
    """Delete an inactive version for good, with its logs, figures and bundle."""
    call.core.lifecycle.delete_version(path.name, path.number, call.caller)
    return Answer(None, 204)
