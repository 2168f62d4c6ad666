"""Deployments: list, read, deploy, change, stop, delete."""

from __future__ import annotations

from collections.abc import Mapping

from flask import request

from serai.domain.errors import Invalid
from serai.domain.manifest import Manifest, parse_manifest
from serai.plugin.identity import Permission
from serai.web.dump import dump_deployment, dump_fit
from serai.web.endpoint import Answer, Call, Resource
from serai.web.paging import make_link, make_page
from serai.web.reading import is_set
from serai.web.shapes.answers import DeploymentAnswer, DeploymentsAnswer
from serai.web.shapes.deploy import DeployedAnswer
from serai.web.shapes.manifest import ChangeBody, ManifestBody
from serai.web.shapes.queries import DeployQuery, NamePath, PageQuery, WaitQuery
from serai.web.shapes.users import OwnerBody
from serai.web.waits import wait_for_change

resource = Resource("deployments", "Named models being served.")
_RULE = "/deployments/<name>"


@resource.on("GET", "/deployments", Permission.READ, {200: DeploymentsAnswer}, waits=True)
def list_deployments(call: Call, query: PageQuery) -> Answer:
    """List the deployments by name, with their versions."""
    headers = wait_for_change(call, "", query)
    page, after = make_page(call.core.cluster.views(), lambda view: view.deployment.name, query.limit, query.after)
    link = make_link(request.path, {"limit": query.limit}, after)
    return Answer([dump_deployment(view, call.core.gateway_url) for view in page], headers=headers | link)


@resource.on("GET", _RULE, Permission.READ, {200: DeploymentAnswer}, refuses=(404,), waits=True)
def read_deployment(call: Call, path: NamePath, query: WaitQuery) -> Answer:
    """Read a deployment: what is wanted, what runs, and if it is not well, why."""
    call.core.cluster.view(path.name)
    headers = wait_for_change(call, path.name, query)
    return Answer(dump_deployment(call.core.cluster.view(path.name), call.core.gateway_url), headers=headers)


@resource.on(
    "PUT", _RULE, Permission.WRITE, {200: DeployedAnswer, 201: DeploymentAnswer},
    refuses=(404, 409, 501, 502, 503), takes=ManifestBody,
)  # fmt: skip
def put_deployment(call: Call, path: NamePath, query: DeployQuery, body: Mapping[str, object]) -> Answer:
    """Deploy a manifest: make its version the active one, and its settings the deployment's.

    201 if that made a version, 200 if the newest has this very spec already. Settings that the manifest leaves out
    stay. With `dry_run=1` nothing is changed, and the answer is whether it would fit now.
    """
    manifest = _parse(body, path.name)
    if is_set(query.dry_run):
        return Answer(dump_fit(call.core.lifecycle.check_fit(manifest)))
    deployed = call.core.lifecycle.deploy(manifest, call.caller)
    status = 201 if deployed.created_version else 200
    return Answer(dump_deployment(deployed.view, call.core.gateway_url), status)


def _parse(body: Mapping[str, object], name: str) -> Manifest:
    manifest = parse_manifest(body, name)
    if manifest.name != name:
        raise Invalid(f"the manifest names {manifest.name!r}, the path {name!r}; they have to be the same", "name")
    return manifest


@resource.on(
    "PATCH", _RULE, Permission.WRITE, {200: DeploymentAnswer}, refuses=(404, 409, 501), takes=ChangeBody
)  # fmt: skip
def change_deployment(call: Call, path: NamePath, body: Mapping[str, object]) -> Answer:
    """Change settings: what a manifest holds beside its spec. In effect in every state, without a version."""
    view = call.core.lifecycle.change(path.name, body, call.caller)
    return Answer(dump_deployment(view, call.core.gateway_url))


@resource.on("PUT", f"{_RULE}/owner", Permission.WRITE, {200: DeploymentAnswer}, refuses=(404,), takes=OwnerBody)
def put_owner(call: Call, path: NamePath, body: OwnerBody) -> Answer:
    """Give a deployment to an account, or to a team, whose members write to it from then on.

    Keys for all that an owner has follow: the old owner's end, the new owner's open it.
    """
    view = call.core.lifecycle.give(path.name, body.owner, call.caller)
    return Answer(dump_deployment(view, call.core.gateway_url))


@resource.on("POST", f"{_RULE}/stop", Permission.WRITE, {202: DeploymentAnswer}, refuses=(404, 409))
def stop_deployment(call: Call, path: NamePath) -> Answer:
    """Stop whatever the deployment runs. Nothing happens if it runs nothing."""
    view = call.core.lifecycle.stop(path.name, None, call.caller)
    return Answer(dump_deployment(view, call.core.gateway_url), 202)


@resource.on("POST", f"{_RULE}/idle", Permission.WRITE, {202: DeploymentAnswer}, refuses=(404, 409))
def idle_deployment(call: Call, path: NamePath) -> Answer:
    """Let a deployment rest: no replica runs until a request comes, which is held meanwhile. Its count is kept.

    Refused (409) where a request could not wake it: while it is stopped, scaled to zero, handing over, or has never
    been ready.
    """
    view = call.core.lifecycle.idle(path.name, call.caller)
    return Answer(dump_deployment(view, call.core.gateway_url), 202)


@resource.on("POST", f"{_RULE}/wake", Permission.WRITE, {202: DeploymentAnswer}, refuses=(404,))
def wake_deployment(call: Call, path: NamePath) -> Answer:
    """Have an idle deployment start its replicas. Nothing happens if it is not idle."""
    view = call.core.lifecycle.wake(path.name, call.caller)
    return Answer(dump_deployment(view, call.core.gateway_url), 202)


@resource.on("DELETE", _RULE, Permission.WRITE, {204: None}, refuses=(404, 409, 502, 503))
def delete_deployment(call: Call, path: NamePath) -> Answer:
    """Delete a deployment with all its versions, logs and figures. Refused while a version is active."""
    call.core.lifecycle.delete(path.name, call.caller)
    return Answer(None, 204)
