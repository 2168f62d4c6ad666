"""Manifest mapping <-> Spec, Settings: what `serai.yaml` and `PUT /deployments/{name}` have in common.

Lines and files are the client's business (`serai.client.manifest_file`); here a mapping has been read already.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .deployment import Access, HandoverMode, Scaling, Settings, Timeouts
from .errors import Invalid
from .fields import Fields, read_bool, read_enum, read_int, read_scalar_text, read_text, read_texts
from .gpu_text import MAX_GPUS, check_device, parse_gpu_text
from .names import check_name
from .quantity import format_bytes, parse_bytes, parse_cpu, parse_duration
from .spec import Affinity, CheckKind, Gpu, Health, Mount, Placement, Resources, Spec, Spread
from .traffic_text import read_cors, read_key_header, read_limits

SPEC_KEYS = (
    "bundle", "image", "command", "port", "env", "secrets", "resources", "health", "start_timeout",
    "start_attempts", "queue_timeout", "drain_timeout", "placement", "mounts", "driver",
)  # fmt: skip
SETTING_KEYS = ("replicas", "access", "handover", "scaling", "timeouts", "limits", "cors", "key_header")
MANIFEST_KEYS = ("name", *SPEC_KEYS, *SETTING_KEYS)
MAX_REPLICAS = 10_000
ASK = "{{ ask }}"
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED_ENV = re.compile(r"PORT|SERAI_.*")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest in parts. `secrets` are the values as given (ASK where the client has to ask); the Spec holds none."""

    name: str
    spec: Spec
    settings: Settings
    secrets: Mapping[str, str]
    given: frozenset[str]  # the keys that were written, so that a default never overwrites a setting


def parse_manifest(values: object, name: str = "") -> Manifest:
    """Return the parts of a manifest; `name` is used where it has none. Raise Invalid with the field's path."""
    fields = Fields(values, "", MANIFEST_KEYS)
    return Manifest(
        name=check_name(fields.get("name", read_text, name)),
        spec=_parse_spec(fields),
        settings=_parse_settings(fields, Settings()),
        secrets=fields.get("secrets", _read_env, {}),
        given=frozenset(key for key in MANIFEST_KEYS if fields.has(key)),
    )


def parse_settings(values: object, base: Settings) -> Settings:
    """Return `base` with the given settings changed; `count` is accepted for `replicas`."""
    if isinstance(values, Mapping) and "count" in values:
        if "replicas" in values:
            raise Invalid("count and replicas are the same thing: give one", "count")
        values = {("replicas" if key == "count" else key): value for key, value in values.items()}
    return _parse_settings(Fields(values, "", SETTING_KEYS), base)


def _parse_settings(fields: Fields, base: Settings) -> Settings:
    return Settings(
        count=fields.get("replicas", read_int(0, MAX_REPLICAS), base.count),
        access=fields.get("access", read_enum(Access), base.access),
        handover=fields.get("handover", read_enum(HandoverMode), base.handover),
        scaling=fields.get("scaling", lambda v, f: _read_scaling(v, f, base.scaling), base.scaling),
        timeouts=fields.get("timeouts", lambda v, f: _read_timeouts(v, f, base.timeouts), base.timeouts),
        limits=fields.get("limits", lambda v, f: read_limits(v, f, base.limits), base.limits),
        cors=fields.get("cors", lambda v, f: read_cors(v, f, base.cors), base.cors),
        key_header=fields.get("key_header", read_key_header, base.key_header),
    )


def _parse_spec(fields: Fields) -> Spec:
    default = Spec()
    return Spec(
        bundle=fields.get("bundle", _read_bundle, ""),
        image=fields.get("image", _read_image, ""),
        command=fields.get("command", _read_command, ""),
        port=fields.get("port", read_int(1, 65535), None),
        env=fields.get("env", _read_env, {}),
        resources=fields.get("resources", _read_resources, default.resources),
        health=fields.get("health", _read_health, default.health),
        start_timeout_s=fields.get("start_timeout", _read_positive_duration, default.start_timeout_s),
        start_attempts=fields.get("start_attempts", read_int(1, 1000), default.start_attempts),
        queue_timeout_s=fields.get("queue_timeout", parse_duration, default.queue_timeout_s),
        drain_timeout_s=fields.get("drain_timeout", parse_duration, default.drain_timeout_s),
        placement=fields.get("placement", _read_placement, default.placement),
        mounts=fields.get("mounts", _read_mounts, ()),
        driver=fields.get("driver", _read_driver, ""),
    )


def _read_bundle(value: object, field: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"sha256:[0-9a-f]{64}", value):
        raise Invalid(f"{field}: {value!r} has to be sha256: and 64 hexadecimal digits", field)
    return value


def _read_image(value: object, field: str) -> str:
    text = read_text(value, field)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,499}", text):
        raise Invalid(f"{field}: {value!r} is not the name of an image", field)
    return text


def _read_command(value: object, field: str) -> str | tuple[str, ...]:
    command = read_texts(value, field) if isinstance(value, list | tuple) else read_text(value, field)
    if not command or not command[0].strip():
        raise Invalid(f"{field} is empty; name what to run", field)
    return command


def _read_env(value: object, field: str) -> Mapping[str, str]:
    if not isinstance(value, Mapping) or len(value) > 1000:
        raise Invalid(f"{field}: {value!r} has to be a mapping of names to values", field)
    for name in value:
        if not isinstance(name, str) or not _ENV_NAME.fullmatch(name):
            raise Invalid(f"{field}: {name!r} cannot name an environment variable", f"{field}.{name}")
        if _RESERVED_ENV.fullmatch(name):
            raise Invalid(f"{field}: {name} is set by Serai; choose another name", f"{field}.{name}")
    return {name: read_scalar_text(value[name], f"{field}.{name}") for name in sorted(value)}


def _read_driver(value: object, field: str) -> str:
    text = read_text(value, field)
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,49}", text):
        raise Invalid(f"{field}: {value!r} is not the name of a driver, such as docker or exec", field)
    return text


def _read_resources(value: object, field: str) -> Resources:
    fields = Fields(value, field, ("cpu", "memory", "memory_max", "disk", "gpu"))
    return Resources(
        cpu=fields.get("cpu", parse_cpu, None),
        memory_bytes=fields.get("memory", parse_bytes, None),
        gpu=fields.get("gpu", _read_gpu, None),
        memory_max_bytes=_read_memory_max(fields),
        disk_bytes=fields.get("disk", parse_bytes, None),
    )


def _read_memory_max(fields: Fields) -> int | None:
    least, most = fields.get("memory", parse_bytes, 0), fields.get("memory_max", parse_bytes, None)
    if most is not None and most < least:
        field = fields.path("memory_max")
        text = (
            f"{field}: {format_bytes(most)} is less than the {format_bytes(least)} of memory; raise it or leave it out"
        )
        raise Invalid(text, field)
    return most


def _read_gpu(value: object, field: str) -> Gpu | None:
    if isinstance(value, str):
        gpu = parse_gpu_text(value, field)
        _read_pattern(gpu.model, field)
        return gpu if gpu.count else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = {"count": value}
    fields = Fields(value, field, ("count", "model", "memory", "device"))
    count = fields.get("count", read_int(0, MAX_GPUS), 1)
    gpu = Gpu(
        count,
        fields.get("model", _read_pattern, ""),
        fields.get("memory", _read_at_least, 0),
        fields.get("device", check_device, ""),
    )
    return gpu if count else None


def _read_pattern(value: object, field: str) -> str:
    text = read_scalar_text(value, field)
    try:
        re.compile(text)
    except re.error as error:
        raise Invalid(f"{field}: {text!r} is not a regular expression ({error})", field) from error
    return text


def _read_at_least(value: object, field: str) -> int:
    if isinstance(value, str) and value.strip().startswith(">="):
        value = value.strip().removeprefix(">=").strip()
    return parse_bytes(value, field)


def _read_health(value: object, field: str) -> Health:
    fields = Fields(value, field, ("http", "tcp", "interval", "timeout"))
    if fields.has("http") and fields.has("tcp"):
        raise Invalid(f"{field}: give http or tcp, not both", field)
    path = fields.get("http", _read_path, "")
    if not fields.get("tcp", read_bool, True):
        raise Invalid(f"{field}.tcp: false would check nothing; give http: /path, or leave it out", f"{field}.tcp")
    return Health(
        kind=CheckKind.HTTP if path else CheckKind.TCP,
        path=path,
        interval_s=fields.get("interval", _read_positive_duration, Health().interval_s),
        timeout_s=fields.get("timeout", _read_positive_duration, Health().timeout_s),
    )


def _read_path(value: object, field: str) -> str:
    text = read_text(value, field)
    if not re.fullmatch(r"/[!-~]*", text):
        raise Invalid(f"{field}: {value!r} has to be a path that begins with / and holds no spaces", field)
    return text


def _read_positive_duration(value: object, field: str) -> float:
    seconds = parse_duration(value, field)
    if seconds < 0.05:
        raise Invalid(f"{field}: {value!r} is too short; the shortest is 50ms", field)
    return seconds


def _read_placement(value: object, field: str) -> Placement:
    fields = Fields(value, field, ("pool", "datacenters", "constraints", "affinities", "spread"))
    return Placement(
        pool=fields.get("pool", read_text, ""),
        datacenters=fields.get("datacenters", read_texts, ()),
        constraints=fields.get("constraints", read_texts, ()),
        affinities=tuple(Affinity(*wish) for wish in fields.get("affinities", _read_wishes("match", -100), ())),
        spread=tuple(Spread(*wish) for wish in fields.get("spread", _read_wishes("attribute", 1), ())),
    )


def _read_wishes(key: str, least: int) -> Callable[[object, str], tuple[tuple[str, int], ...]]:
    """Return a reader of a list of texts, or of mappings of `key` to a text and `weight` from `least` to 100."""

    def read_one(value: object, field: str) -> tuple[str, int]:
        fields = Fields({key: value} if isinstance(value, str) else value, field, (key, "weight"))
        weight = fields.get("weight", read_int(least, 100), 50)
        if not (text := fields.get(key, read_text, "").strip()):
            raise Invalid(f"{field}: a wish needs {key}", field)
        if not weight:
            raise Invalid(f"{fields.path('weight')}: 0 would wish for nothing; leave it out", fields.path("weight"))
        return text, weight

    def read(value: object, field: str) -> tuple[tuple[str, int], ...]:
        if not isinstance(value, list | tuple) or len(value) > 100:
            raise Invalid(f"{field}: {value!r} has to be a list", field)
        return tuple(read_one(item, f"{field}[{index}]") for index, item in enumerate(value))

    return read


def _read_mounts(value: object, field: str) -> tuple[Mount, ...]:
    if not isinstance(value, list | tuple) or len(value) > 100:
        raise Invalid(f"{field}: {value!r} has to be a list of mounts", field)
    return tuple(_read_mount(item, f"{field}[{index}]") for index, item in enumerate(value))


def _read_mount(value: object, field: str) -> Mount:
    fields = Fields(value, field, ("volume", "path", "read_only"))
    if not (fields.has("volume") and fields.has("path")):
        raise Invalid(f"{field}: a mount needs volume and path", field)
    path = fields.get("path", _read_path, "")
    return Mount(fields.get("volume", _read_volume, ""), path, fields.get("read_only", read_bool, True))


def _read_volume(value: object, field: str) -> str:
    return check_name(read_text(value, field), field)


def _read_scaling(value: object, field: str, base: Scaling) -> Scaling:
    fields = Fields(value, field, ("min", "max", "concurrency", "idle"))
    scaling = Scaling(
        min_replicas=fields.get("min", read_int(0, MAX_REPLICAS), base.min_replicas),
        max_replicas=fields.get("max", read_int(0, MAX_REPLICAS), base.max_replicas),
        concurrency=fields.get("concurrency", read_int(1, 100_000), base.concurrency),
        idle_s=fields.get("idle", parse_duration, base.idle_s),
    )
    if scaling.max_replicas and scaling.min_replicas > scaling.max_replicas:
        raise Invalid(f"{field}: min {scaling.min_replicas} is above max {scaling.max_replicas}", f"{field}.min")
    return scaling


def _read_timeouts(value: object, field: str, base: Timeouts) -> Timeouts:
    fields = Fields(value, field, ("connect", "first_byte", "idle", "total"))
    return Timeouts(
        connect_s=fields.get("connect", _read_positive_duration, base.connect_s),
        first_byte_s=fields.get("first_byte", parse_duration, base.first_byte_s),
        idle_s=fields.get("idle", parse_duration, base.idle_s),
        total_s=fields.get("total", parse_duration, base.total_s),
    )
