"""Spec and Settings as plain JSON values in the manifest's own keys, and the digest of a spec.

`parse_manifest(dump_spec(spec))` gives the same spec back (secrets apart, which are never written out).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import lru_cache

from .deployment import Scaling, Settings, Timeouts
from .manifest import parse_manifest
from .quantity import Cpu
from .spec import CheckKind, Gpu, Health, Mount, Placement, Resources, Spec
from .traffic_text import dump_cors, dump_limits

JsonObject = dict[str, object]


def dump_spec(spec: Spec) -> JsonObject:
    """Return every field of `spec`; durations in seconds, sizes in bytes, secrets as the list of their names.

    Fields that came with a later release are left out where they are not set: the digest is made of this text, and
    a running version must keep its own.
    """
    values: JsonObject = {
        "bundle": spec.bundle or None,
        "image": spec.image or None,
        "command": list(spec.command) if isinstance(spec.command, tuple) else spec.command or None,
        "port": spec.port,
        "env": dict(spec.env),
        "secrets": sorted(spec.secrets),
        "resources": _dump_resources(spec.resources),
        "health": _dump_health(spec.health),
        "start_timeout": spec.start_timeout_s,
        "start_attempts": spec.start_attempts,
        "queue_timeout": spec.queue_timeout_s,
        "drain_timeout": spec.drain_timeout_s,
        "placement": _dump_placement(spec.placement),
        "mounts": [_dump_mount(mount) for mount in spec.mounts],
    }
    return values | _only_set({"driver": spec.driver})


def encode_spec(spec: Spec) -> str:
    """Return `spec` as canonical JSON, secrets as fingerprints: what the store keeps and the digest covers."""
    return json.dumps(dump_spec(spec) | {"secrets": dict(spec.secrets)}, sort_keys=True, separators=(",", ":"))


# A spec never changes, and each look at a deployment reads those of all its versions again.
@lru_cache(maxsize=2048)
def decode_spec(text: str) -> Spec:
    """Return the spec that `encode_spec` wrote."""
    values = json.loads(text)
    secrets = values.pop("secrets")
    return replace(parse_manifest(values, "x").spec, secrets=secrets)


def digest_spec(spec: Spec) -> str:
    """Return 64 hexadecimal digits that differ when anything of the spec differs."""
    return hashlib.sha256(encode_spec(spec).encode()).hexdigest()


def dump_settings(settings: Settings) -> JsonObject:
    """Return settings in the manifest's keys; durations in seconds."""
    return {
        "replicas": settings.count,
        "access": settings.access.value,
        "handover": settings.handover.value,
        "scaling": dump_scaling(settings.scaling),
        "timeouts": dump_timeouts(settings.timeouts),
        "limits": dump_limits(settings.limits),
        "cors": dump_cors(settings.cors),
        "key_header": settings.key_header,
    }


def dump_scaling(scaling: Scaling) -> JsonObject:
    return {
        "min": scaling.min_replicas,
        "max": scaling.max_replicas,
        "concurrency": scaling.concurrency,
        "idle": scaling.idle_s,
    }


def dump_timeouts(timeouts: Timeouts) -> JsonObject:
    return {
        "connect": timeouts.connect_s,
        "first_byte": timeouts.first_byte_s,
        "idle": timeouts.idle_s,
        "total": timeouts.total_s,
    }


def dump_cpu(cpu: Cpu) -> float | str | None:
    """Return a share of processors as a manifest has it: `2.0` cores, or `1500MHz`."""
    return cpu.cores if cpu.mhz is None else f"{cpu.mhz}MHz"


def _dump_resources(resources: Resources) -> JsonObject:
    return {
        "cpu": None if resources.cpu is None else dump_cpu(resources.cpu),
        "memory": resources.memory_bytes,
        "gpu": _dump_gpu(resources.gpu) if resources.gpu else None,
        **_only_set({"memory_max": resources.memory_max_bytes, "disk": resources.disk_bytes}),
    }


def _dump_gpu(gpu: Gpu) -> JsonObject:
    values: JsonObject = {"count": gpu.count, "model": gpu.model, "memory": gpu.memory_bytes or None}
    return values | _only_set({"device": gpu.device})


def _dump_health(health: Health) -> JsonObject:
    kind: JsonObject = {"http": health.path} if health.kind is CheckKind.HTTP else {"tcp": True}
    return kind | {"interval": health.interval_s, "timeout": health.timeout_s}


def _dump_placement(placement: Placement) -> JsonObject:
    return {
        "pool": placement.pool,
        "datacenters": list(placement.datacenters),
        "constraints": list(placement.constraints),
        **_only_set(
            {
                "affinities": [{"match": wish.match, "weight": wish.weight} for wish in placement.affinities],
                "spread": [{"attribute": wish.attribute, "weight": wish.weight} for wish in placement.spread],
            }
        ),
    }


def _dump_mount(mount: Mount) -> JsonObject:
    return {"volume": mount.volume, "path": mount.path, "read_only": mount.read_only}


def _only_set(values: JsonObject) -> JsonObject:
    return {key: value for key, value in values.items() if value}
