"""The plugin's table of serai.toml (`[plugin.nomad]`), typed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from serai.domain.errors import Invalid
from serai.domain.fields import Fields, read_bool, read_enum, read_int, read_text, read_texts
from serai.domain.quantity import parse_duration


class BundleDriver(StrEnum):
    EXEC = "exec"
    RAW_EXEC = "raw_exec"


class ImageDriver(StrEnum):
    DOCKER = "docker"
    PODMAN = "podman"


@dataclass(frozen=True, slots=True)
class Tls:
    """Paths of PEM files, "" for none. `server_name` is what the certificate is checked against instead of the host."""

    ca_cert: str = ""
    client_cert: str = ""
    client_key: str = ""
    server_name: str = ""
    verify: bool = True


@dataclass(frozen=True, slots=True)
class NomadSettings:
    """What an operator may change; every key is optional.

    `addresses`: agents to talk to, tried in turn. `token` or `token_file`: the ACL token (the file is read again when
    it changes). `namespace`: where all our jobs live. `region`: "" is the agent's own. `bundle_driver`,
    `image_driver`: what runs folders and images; `drivers`: what a manifest may name besides. `reserve_cores`: whether
    whole cores are reserved (Nomad pins replicas to them) or asked for in MHz, as where several clients share a
    machine. `pool`, `datacenters`: for versions that name none. `template`: an HCL job file that shapes every job.
    `python`: the interpreter on the nodes that installs requirements.txt.
    `environments`: folder on raw_exec nodes that keeps installed environments. `network_mode`: of docker tasks, ""
    for Nomad's port mapping. `docker_gpu_runtime`: whether docker jobs with GPUs need nodes with nvidia's runtime.
    `shutdown_delay`: between leaving the service list and the stop signal. `lost_after`: how long a disconnected
    replica may come back. `image_pull_timeout`: of docker. `bundle_url`: where nodes reach this server, "" for
    `server_url`. `instance`: names this installation in each job, "" for a name of its own; several servers on one
    database share it. `connections`: most connections to Nomad at a time.
    `check_interval`: how often a ready replica's checks are asked for at least.
    """

    addresses: tuple[str, ...] = ("http://127.0.0.1:4646",)
    token: str = field(default="", repr=False)
    token_file: str = ""
    namespace: str = "default"
    region: str = ""
    tls: Tls = Tls()
    bundle_driver: BundleDriver = BundleDriver.EXEC
    image_driver: ImageDriver = ImageDriver.DOCKER
    drivers: tuple[str, ...] = ()
    reserve_cores: bool = True
    pool: str = "default"
    datacenters: tuple[str, ...] = ("*",)
    template: Path | None = None
    python: str = "python3"
    environments: str = "/var/tmp/serai-environments"  # noqa: S108 - made private by the node's own script
    network_mode: str = "host"
    docker_gpu_runtime: bool = True
    shutdown_delay_s: float = 2.0
    lost_after_s: float = 300.0
    image_pull_timeout_s: float = 1800.0
    bundle_url: str = ""
    instance: str = ""
    connections: int = 16
    check_interval_s: float = 2.0


_TLS_KEYS = ("ca_cert", "client_cert", "client_key", "server_name", "verify")
_KEYS = (
    "addresses", "address", "token", "token_file", "namespace", "region", "tls", "bundle_driver", "image_driver",
    "drivers", "reserve_cores", "pool", "datacenters", "template", "python", "environments", "network_mode",
    "docker_gpu_runtime", "shutdown_delay",
    "lost_after", "image_pull_timeout", "bundle_url", "instance", "connections", "check_interval",
)  # fmt: skip


def load_settings(values: Mapping[str, object], env: Mapping[str, str] = os.environ) -> NomadSettings:
    """Return the settings of a table; NOMAD_ADDR, NOMAD_TOKEN, NOMAD_NAMESPACE, NOMAD_REGION, NOMAD_CACERT,
    NOMAD_CLIENT_CERT, NOMAD_CLIENT_KEY and NOMAD_TLS_SERVER_NAME stand in for what it leaves out.

    Raise Invalid naming the key for anything wrong.
    """
    fields, default = Fields(values, "plugin.nomad", _KEYS), _of_environment(env)
    addresses = fields.get("addresses", read_texts, default.addresses)
    if fields.has("address"):
        addresses = (fields.get("address", read_text, ""),)
    settings = NomadSettings(
        addresses=tuple(_check_address(address) for address in addresses),
        token=fields.get("token", read_text, default.token),
        token_file=fields.get("token_file", read_text, ""),
        namespace=fields.get("namespace", read_text, default.namespace),
        region=fields.get("region", read_text, default.region),
        tls=fields.get("tls", lambda v, f: _read_tls(v, f, default.tls), default.tls),
        bundle_driver=fields.get("bundle_driver", read_enum(BundleDriver), default.bundle_driver),
        image_driver=fields.get("image_driver", read_enum(ImageDriver), default.image_driver),
        drivers=fields.get("drivers", read_texts, default.drivers),
        reserve_cores=fields.get("reserve_cores", read_bool, default.reserve_cores),
        pool=fields.get("pool", read_text, default.pool),
        datacenters=fields.get("datacenters", read_texts, default.datacenters),
        template=fields.get("template", lambda v, f: Path(read_text(v, f)), None),
        python=fields.get("python", read_text, default.python),
        environments=fields.get("environments", read_text, default.environments),
        network_mode=fields.get("network_mode", _read_any_text, default.network_mode),
        docker_gpu_runtime=fields.get("docker_gpu_runtime", read_bool, default.docker_gpu_runtime),
        shutdown_delay_s=fields.get("shutdown_delay", parse_duration, default.shutdown_delay_s),
        lost_after_s=fields.get("lost_after", parse_duration, default.lost_after_s),
        image_pull_timeout_s=fields.get("image_pull_timeout", parse_duration, default.image_pull_timeout_s),
        bundle_url=fields.get("bundle_url", read_text, ""),
        instance=fields.get("instance", read_text, ""),
        connections=fields.get("connections", read_int(2, 90), default.connections),
        check_interval_s=fields.get("check_interval", parse_duration, default.check_interval_s),
    )
    if not settings.addresses:
        raise Invalid("plugin.nomad.addresses is empty; name at least one agent", "plugin.nomad.addresses")
    return settings


def _of_environment(env: Mapping[str, str]) -> NomadSettings:
    default = NomadSettings()
    tls = Tls(
        env.get("NOMAD_CACERT", ""),
        env.get("NOMAD_CLIENT_CERT", ""),
        env.get("NOMAD_CLIENT_KEY", ""),
        env.get("NOMAD_TLS_SERVER_NAME", ""),
    )
    return replace(
        default,
        addresses=(env["NOMAD_ADDR"],) if env.get("NOMAD_ADDR") else default.addresses,
        token=env.get("NOMAD_TOKEN", ""),
        namespace=env.get("NOMAD_NAMESPACE") or default.namespace,
        region=env.get("NOMAD_REGION", ""),
        tls=tls,
    )


def _check_address(address: str) -> str:
    scheme, separator, rest = address.partition("://")
    if scheme not in {"http", "https"} or not separator or not rest:
        raise Invalid(
            f"plugin.nomad.addresses: {address!r} is not the address of an agent; write http://host:4646",
            "plugin.nomad.addresses",
        )
    return address.rstrip("/")


def _read_tls(value: object, field: str, default: Tls) -> Tls:
    fields = Fields(value, field, _TLS_KEYS)
    return Tls(
        ca_cert=fields.get("ca_cert", read_text, default.ca_cert),
        client_cert=fields.get("client_cert", read_text, default.client_cert),
        client_key=fields.get("client_key", read_text, default.client_key),
        server_name=fields.get("server_name", read_text, default.server_name),
        verify=fields.get("verify", read_bool, default.verify),
    )


def _read_any_text(value: object, field: str) -> str:
    return "" if value == "" else read_text(value, field)
