"""Views and values -> JSON, as `serai.web.shapes` says it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from serai.domain.accounts import Account, Team
from serai.domain.capacity import GpuTotals, find_gpu_state, total_gpus
from serai.domain.deployment import Deployment, Event, Progress, Version
from serai.domain.keys import Key, KeySecret
from serai.domain.observation import Fit, GpuUnit, LogLine, NodeCapacity, Replica
from serai.domain.reasons import Reason
from serai.domain.spec_text import JsonObject, dump_cpu, dump_scaling, dump_spec, dump_timeouts
from serai.domain.status import State
from serai.domain.traffic_text import dump_cors, dump_limits
from serai.plugin.facade import PluginInfo
from serai.plugin.identity import Identity, Permission
from serai.plugin.sink import SinkState
from serai.reconcile.tenants import Tenant, Tenants
from serai.reconcile.views import DeploymentView, VersionView
from serai.store.tokens import Token


def dump_instant(at: datetime) -> str:
    """Return RFC 3339 in UTC, `2026-01-31T12:00:00.123456Z`."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def dump_reason(reason: Reason | None) -> JsonObject | None:
    if reason is None:
        return None
    return {
        "code": reason.code,
        "text": reason.text,
        "help": reason.help,
        "log": list(reason.log),
        "exit_code": reason.exit_code,
        "funnel": [{"step": step, "nodes": nodes} for step, nodes in reason.funnel],
    }


def dump_deployment(view: DeploymentView, gateway_url: str) -> JsonObject:
    """Return a deployment with all its versions; without any it counts as stopped."""
    status = view.shown.status if view.shown else None
    return _dump_intent(view.deployment) | {
        "state": (status.state if status else State.STOPPED).value,
        "reason": dump_reason(status.reason) if status else None,
        "wanted": status.wanted if status else 0,
        "ready": status.ready if status else 0,
        "shown": view.shown.version.number if view.shown else None,
        "url": f"{gateway_url}/{view.deployment.name}/",
        "versions": [dump_version(version) for version in view.versions],
    }


def _dump_intent(deployment: Deployment) -> JsonObject:
    settings = deployment.settings
    return {
        "name": deployment.name,
        "owner": deployment.owner,
        "active": deployment.active,
        "incumbent": deployment.incumbent,
        "handing": deployment.handing.value if deployment.handing else None,
        "count": settings.count,
        "idle": deployment.is_idle,
        "access": settings.access.value,
        "handover": settings.handover.value,
        "scaling": dump_scaling(settings.scaling),
        "timeouts": dump_timeouts(settings.timeouts),
        "limits": dump_limits(settings.limits),
        "cors": dump_cors(settings.cors),
        "key_header": settings.key_header,
        "created_at": dump_instant(deployment.created_at),
        "changed_at": dump_instant(deployment.changed_at),
    }


def dump_version(view: VersionView) -> JsonObject:
    version, status = view.version, view.status
    return {
        "deployment": version.deployment,
        "number": version.number,
        "state": status.state.value,
        "reason": dump_reason(status.reason),
        "wanted": status.wanted,
        "ready": status.ready,
        "stale": view.stale,
        "waiting": dump_reason(view.waiting),
        "replicas": [dump_replica(replica, version) for replica in view.replicas],
        "spec": dump_spec(version.spec),
        "run": version.run,
        "progress": _dump_progress(version.progress),
        "created_at": dump_instant(version.created_at),
        "created_by": version.created_by,
        "started_at": dump_instant(version.started_at) if version.started_at else None,
    }


def _dump_progress(progress: Progress | None) -> JsonObject | None:
    return {"stage": progress.stage.value, "since": dump_instant(progress.since)} if progress else None


def dump_replica(replica: Replica, version: Version) -> JsonObject:
    return {
        "id": replica.id,
        "phase": replica.phase.value,
        "live": replica.live,
        "ready": replica.ready,
        "since": dump_instant(replica.since),
        "started_at": dump_instant(replica.started_at),
        "reason": dump_reason(replica.reason),
        "crashes": replica.crashes,
        "address": replica.address,
        "node": replica.node,
        "gpus": list(replica.gpus),
        "current": replica.digest == version.run_digest,
    }


def dump_fit(fit: Fit) -> JsonObject:
    return {
        "verdict": fit.verdict.value,
        "placeable": fit.placeable,
        "reason": dump_reason(fit.reason),
        "nodes": list(fit.nodes),
    }


def dump_event(event: Event) -> JsonObject:
    return {
        "id": event.id,
        "at": dump_instant(event.at),
        "kind": event.kind,
        "deployment": event.deployment,
        "version": event.version,
        "replica": event.replica,
        "text": event.text,
        "actor": event.actor,
    }


def dump_line(line: LogLine, cursor: str) -> JsonObject:
    """Return a line with the cursor that resumes behind it."""
    return {
        "at": dump_instant(line.at),
        "replica": line.replica,
        "stream": line.stream.value,
        "text": line.text,
        "cursor": cursor,
    }


def dump_capacity(nodes: Sequence[NodeCapacity], tenants: Tenants) -> JsonObject:
    return {
        "gpus": [_dump_totals(totals) for totals in total_gpus(nodes)],
        "nodes": [dump_node(node, tenants.get(node.name, ())) for node in nodes],
    }


def _dump_totals(totals: GpuTotals) -> JsonObject:
    return {
        "model": totals.model,
        "memory": totals.memory_bytes,
        "total": totals.total,
        "free": totals.free,
        "taken": totals.taken,
        "unhealthy": totals.unhealthy,
        "away": totals.away,
    }


def dump_node(node: NodeCapacity, tenants: Iterable[Tenant] = ()) -> JsonObject:
    return {
        "name": node.name,
        "status": node.status.value,
        "pool": node.pool,
        "datacenter": node.datacenter,
        "class": node.node_class,
        "cores": node.cores,
        "cores_taken": node.cores_taken,
        "memory": node.memory_bytes,
        "memory_taken": node.memory_taken_bytes,
        "gpus": [_dump_gpu(gpu, node) for gpu in node.gpus],
        "tenants": [_dump_tenant(tenant) for tenant in tenants],
    }


def _dump_tenant(tenant: Tenant) -> JsonObject:
    return {
        "deployment": tenant.deployment,
        "version": tenant.version,
        "replicas": tenant.replicas,
        "cpu": tenant.cpu and dump_cpu(tenant.cpu),
        "memory": tenant.memory_bytes,
        "gpus": tenant.gpus,
        "cores_used": tenant.cores_used,
        "memory_used": tenant.memory_used_bytes,
    }


def _dump_gpu(gpu: GpuUnit, node: NodeCapacity) -> JsonObject:
    return {
        "id": gpu.id,
        "model": gpu.model,
        "memory": gpu.memory_bytes,
        "state": find_gpu_state(gpu, node).value,
        "taken_by": gpu.taken_by,
        "healthy": gpu.healthy,
        "problem": gpu.problem,
    }


def dump_plugin(plugin: PluginInfo, sinks: Iterable[SinkState]) -> JsonObject:
    return {
        "name": plugin.name,
        "version": plugin.version,
        "hooks": list(plugin.hooks),
        "healthy": plugin.healthy,
        "last_error": plugin.last_error,
        "faults": plugin.faults,
        "sinks": [_dump_sink(state) for state in sinks if state.name == plugin.name],
    }


def _dump_sink(state: SinkState) -> JsonObject:
    return {
        "way": state.way,
        "waiting": state.waiting,
        "dropped": state.dropped,
        "last_error": state.last_error,
    }


def dump_identity(identity: Identity) -> JsonObject:
    return {"login": identity.login, "permissions": dump_permissions(identity.permissions)}


def dump_permissions(permissions: Iterable[Permission]) -> list[str]:
    return sorted(permission.value for permission in permissions)


def dump_token(token: Token) -> JsonObject:
    return {
        "id": token.id,
        "name": token.name,
        "login": token.login,
        "permissions": dump_permissions(token.permissions),
        "prefix": token.prefix,
        "created_at": dump_instant(token.created_at),
        "expires_at": dump_instant(token.expires_at) if token.expires_at else None,
        "last_used_at": dump_instant(token.last_used_at) if token.last_used_at else None,
    }


def dump_account(account: Account) -> JsonObject:
    return {
        "login": account.login,
        "name": account.name,
        "email": account.email,
        "role": account.role.value,
        "disabled": account.is_disabled,
        "provider": account.provider,
        "has_password": account.has_password,
        "created_at": dump_instant(account.created_at),
        "last_sign_in_at": dump_instant(account.last_sign_in_at) if account.last_sign_in_at else None,
    }


def dump_team(team: Team) -> JsonObject:
    return {
        "name": team.name,
        "about": team.about,
        "created_at": dump_instant(team.created_at),
        "members": list(team.members),
    }


def dump_key(key: Key) -> JsonObject:
    """Return what is told of a key; a secret is no part of it."""
    return {
        "id": key.id,
        "name": key.name,
        "owner": key.owner,
        "deployments": None if key.deployments is None else list(key.deployments),
        "prefix": key.prefix,
        "created_at": dump_instant(key.created_at),
        "created_by": key.created_by,
        "expires_at": dump_instant(key.expires_at) if key.expires_at else None,
        "last_used_at": dump_instant(key.last_used_at) if key.last_used_at else None,
        "secrets": [_dump_secret(secret) for secret in key.secrets],
    }


def _dump_secret(secret: KeySecret) -> JsonObject:
    return {
        "prefix": secret.prefix,
        "created_at": dump_instant(secret.created_at),
        "ends_at": dump_instant(secret.ends_at) if secret.ends_at else None,
        "last_used_at": dump_instant(secret.last_used_at) if secret.last_used_at else None,
    }
