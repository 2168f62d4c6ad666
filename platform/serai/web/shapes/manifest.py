"""The manifest as `PUT /deployments/{name}` and `PATCH` take it. Described here; read by `serai.domain.manifest`.

The shapes say in JSON Schema what the domain accepts, nothing more and nothing less as far as a schema can say it:
schemathesis sends what they allow and what they forbid and looks whether the domain agrees. Every key may be null,
which is as if it were missing.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic.config import JsonDict

from serai.domain.deployment import Access, HandoverMode

from .kinds import Count, Digest, Duration, Name, PositiveDuration, Shape, Size, Text
from .traffic import CorsShape, HeaderName, LimitsShape

_SCALAR = {"type": ["string", "number", "boolean"], "pattern": r"^[^\x00]*$", "maxLength": 65536}
Environment = Annotated[
    dict[str, str | float | bool],
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": "^(?!PORT$|SERAI_)[A-Za-z_][A-Za-z0-9_]*$"},
            "additionalProperties": _SCALAR,
            "maxProperties": 1000,
            "examples": [{"LOG_LEVEL": "info"}],
        }
    ),
]
Command = Annotated[
    str | list[str],
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^[!-~][^\x00]*$", "maxLength": 65536},
                {
                    "type": "array",
                    "prefixItems": [{"type": "string", "pattern": r"^[!-~][^\x00]*$", "maxLength": 65536}],
                    "items": {"type": "string", "pattern": r"^[^\x00]*$", "maxLength": 65536},
                    "minItems": 1,
                    "maxItems": 1000,
                },
            ],
            "examples": ["./start.sh", ["python", "serve.py"]],
        }
    ),
]
Cpu = Annotated[
    float | str,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": 4096},
                {"type": "string", "pattern": "^[0-9]{1,9} ?MHz$"},
            ],
            "examples": [2, "1500MHz"],
        }
    ),
]
Pattern = Annotated[
    str | float | bool,
    WithJsonSchema({"type": "string", "format": "regex", "maxLength": 65536, "examples": ["A100|H100"]}),
]
Device = Annotated[
    str, StringConstraints(pattern="^[A-Za-z0-9][A-Za-z0-9_.-]{0,49}(/[A-Za-z0-9][A-Za-z0-9_.-]{0,49}){0,2}$")
]
Driver = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_-]{0,49}$")]
Path = Annotated[str, StringConstraints(pattern="^/[!-~]*$", max_length=65536)]
Wish = Annotated[str, StringConstraints(pattern=r"^[!-~][^\x00]*$", max_length=65536)]
Texts = Annotated[list[Text], Field(max_length=1000)]
Image = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,499}$")]


class GpuShape(Shape):
    """GPUs of one replica."""

    count: Annotated[int, Field(ge=0, le=1024)] | None = Field(None, description="Whole devices.")
    model: Pattern | None = Field(None, description="A regular expression that the model's name has to match.")
    memory: Size | None = Field(None, description="The least memory of one device.")
    device: Device | None = Field(None, description="Which devices, as the scheduler names them; any GPU if absent.")


GpuText = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^([1-9][0-9]{0,2}( x (H100|A100|nvidia/gpu))?|H100|gpu|nvidia/gpu)( >= [1-9][0-9]{0,2}GiB)?$",
            "description": "Count, name and least memory in a line: [count x] [model or device] [>= memory].",
            "examples": ["2 x H100", "nvidia/gpu", "A100 >= 40GiB"],
        }
    ),
]


class ResourcesShape(Shape):
    """What one replica needs; what is left out is neither limited nor reserved."""

    cpu: Cpu | None = Field(None, description="Cores (2, 0.5), or MHz as text (1500MHz).")
    memory: Size | None = None
    memory_max: Size | None = Field(None, description="May be used beyond memory where there is some; not below it.")
    disk: Size | None = None
    gpu: Annotated[int, Field(ge=0, le=1024)] | GpuText | GpuShape | None = Field(
        None, description="A number, a line, or a mapping."
    )


class HttpHealthShape(Shape):
    """Ready when `http` answers 2xx or 3xx."""

    http: Path = Field(examples=["/healthz"])
    tcp: None = None
    interval: PositiveDuration | None = None
    timeout: PositiveDuration | None = None


class TcpHealthShape(Shape):
    """Ready when the port accepts a connection."""

    tcp: Literal[True] | None = None
    http: None = None
    interval: PositiveDuration | None = None
    timeout: PositiveDuration | None = None


class AffinityShape(Shape):
    """Machines that fulfil `match` are preferred, or avoided with a negative weight."""

    match: Wish
    weight: Annotated[int, Field(ge=1, le=100)] | Annotated[int, Field(ge=-100, le=-1)] | None = None


class SpreadShape(Shape):
    """Replicas go to machines that differ in `attribute`."""

    attribute: Wish
    weight: Annotated[int, Field(ge=1, le=100)] | None = None


class PlacementShape(Shape):
    """Where replicas may go; understood by schedulers with several machines."""

    pool: Text | None = None
    datacenters: Texts | None = None
    constraints: Texts | None = None
    affinities: Annotated[list[Wish | AffinityShape], Field(max_length=100)] | None = None
    spread: Annotated[list[Wish | SpreadShape], Field(max_length=100)] | None = None


class MountShape(Shape):
    """A volume of the scheduler, seen by replicas at `path`."""

    volume: Name
    path: Path
    read_only: bool | None = None


class ScalingShape(Shape):
    """Bounds of the count and what moves it; `min` must not be above `max`, and `max` 0 means nothing moves it."""

    min: Count | None = None
    max: Count | None = None
    concurrency: Annotated[int, Field(ge=1, le=100_000)] | None = None
    idle: Duration | None = None


class TimeoutsShape(Shape):
    """How long a request may take to connect, until its first byte, between bytes, and altogether; 0 is no limit."""

    connect: PositiveDuration | None = None
    first_byte: Duration | None = None
    idle: Duration | None = None
    total: Duration | None = None


class Settings(Shape):
    """What can be changed without a new version."""

    access: Access | None = None
    handover: HandoverMode | None = None
    scaling: ScalingShape | None = None
    timeouts: TimeoutsShape | None = None
    limits: LimitsShape | None = None
    cors: CorsShape | None = None
    key_header: HeaderName | Literal[""] | None = Field(None, description="Carries keys, beside Authorization.")


_SOMETHING_TO_RUN: JsonDict = {
    "anyOf": [
        {"required": ["bundle"], "properties": {"bundle": {"type": "string"}}},
        {"required": ["image"], "properties": {"image": {"type": "string"}}},
    ]
}


class ManifestBody(Settings):
    """A manifest: what to run, and how. Give `bundle` or `image`, or both."""

    model_config = ConfigDict(json_schema_extra=_SOMETHING_TO_RUN)

    name: Name | None = Field(None, description="If given, the one in the path.")
    bundle: Digest | None = Field(None, description="A bundle that was uploaded with PUT /bundles.")
    image: Image | None = Field(None, description="A container image.")
    command: Command | None = Field(None, description="Text is run by the shell, a list is not. ./start.sh if absent.")
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(None, description="Only for a model that insists.")
    env: Environment | None = None
    secrets: Environment | None = Field(None, description="Like env, but never shown again.")
    resources: ResourcesShape | None = None
    health: HttpHealthShape | TcpHealthShape | None = None
    start_timeout: PositiveDuration | None = Field(None, description="Ready within this time, else Error.")
    start_attempts: Annotated[int, Field(ge=1, le=1000)] | None = Field(None, description="Crashes until Error.")
    queue_timeout: Duration | None = Field(None, description="The longest wait for a place; 0 waits for ever.")
    drain_timeout: Duration | None = Field(None, description="How long a replica may finish its requests.")
    placement: PlacementShape | None = None
    mounts: Annotated[list[MountShape], Field(max_length=100)] | None = None
    driver: Driver | None = Field(None, description="What runs it, in the scheduler's own words: docker, exec, ...")
    replicas: Count | None = None


class ChangeBody(Settings):
    """Settings to change; the others stay."""

    count: Count | None = Field(None, description="How many replicas the deployment is to have.", examples=[2])
