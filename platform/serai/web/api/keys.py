"""Keys with which programs call deployments. A plugin keeps them; who may do what is the same for each."""

from __future__ import annotations

from serai.domain.quantity import parse_duration
from serai.plugin.identity import Permission
from serai.reconcile.keys import SAME, KeyChange
from serai.web.dump import dump_key
from serai.web.endpoint import Answer, Call, Resource
from serai.web.shapes.keys import (
    KeyAnswer,
    KeyBody,
    KeyChangeBody,
    KeyPath,
    KeysAnswer,
    KeysQuery,
    NewKeyAnswer,
    RotationBody,
)

resource = Resource("keys", "Keys for callers of deployments whose access is `keys`. A secret is shown once.")
_RULE = "/keys/<int:id>"


@resource.on("GET", "/keys", Permission.READ, {200: KeysAnswer}, refuses=(404, 501))
def list_keys(call: Call, query: KeysQuery) -> Answer:
    """List one's own keys, an administrator's being all; never with their secrets."""
    return Answer([dump_key(key) for key in call.core.keys.list_keys(call.caller, query.deployment)])


@resource.on("POST", "/keys", Permission.WRITE, {201: NewKeyAnswer}, refuses=(501,), takes=KeyBody)
def create_key(call: Call, body: KeyBody) -> Answer:
    """Make a key. Its secret is in this answer and nowhere else; every gateway takes it within a second."""
    key, secret = call.core.keys.create(
        call.caller, body.name, body.deployments, _read_lifetime(body.expires_in), body.owner
    )
    return Answer(dump_key(key) | {"key": secret}, 201)


@resource.on("GET", _RULE, Permission.READ, {200: KeyAnswer}, refuses=(404, 501))
def read_key(call: Call, path: KeyPath) -> Answer:
    """Read a key of one's own."""
    return Answer(dump_key(call.core.keys.get(call.caller, path.id)))


@resource.on("PATCH", _RULE, Permission.WRITE, {200: KeyAnswer}, refuses=(404, 501), takes=KeyChangeBody)
def change_key(call: Call, path: KeyPath, body: KeyChangeBody) -> Answer:
    """Change a key's name, what it opens, or when it ends; its secret stays."""
    given = body.model_fields_set
    change = KeyChange(
        name=SAME if body.name is None else body.name,
        deployments=body.deployments if "deployments" in given else SAME,
        lifetime_s=_read_lifetime(body.expires_in) if "expires_in" in given else SAME,
    )
    return Answer(dump_key(call.core.keys.change(call.caller, path.id, change)))


@resource.on("POST", f"{_RULE}/rotate", Permission.WRITE, {200: NewKeyAnswer}, refuses=(404, 501), takes=RotationBody)
def rotate_key(call: Call, path: KeyPath, body: RotationBody) -> Answer:
    """Give a key a new secret, which is in this answer and nowhere else. The old one ends after `overlap`."""
    overlap_s = parse_duration(body.overlap, "overlap")
    key, secret = call.core.keys.rotate(call.caller, path.id, overlap_s)
    return Answer(dump_key(key) | {"key": secret})


@resource.on("DELETE", _RULE, Permission.WRITE, {204: None}, refuses=(404, 501))
def revoke_key(call: Call, path: KeyPath) -> Answer:
    """Revoke a key for good; every gateway refuses it within a second."""
    call.core.keys.revoke(call.caller, path.id)
    return Answer(None, 204)


def _read_lifetime(text: str | None) -> float | None:
    return parse_duration(text, "expires_in") if text else None
