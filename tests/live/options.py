"""What a test may ask of an agent, and the agent's configuration file made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.live.chroot import make_chroot
from tests.live.ports import PortBlock

# Metadata services of clouds are not there to answer; each is waited for.
_UNASKED = "env_aws,env_gce,env_azure,env_digitalocean,consul,vault"
_UNUSED_DRIVERS = ("java", "qemu")


@dataclass(frozen=True, slots=True)
class Options:
    """An agent's options.

    `acl`: whether ACLs are enforced. `raw_exec`, `exec`, `docker`: which drivers are on; `docker` is the address of a
    Docker daemon (`unix://...`), "" for none. `chroot`: what tasks of exec see besides this Python. `plugin_dir`:
    folder of device plugins. `plugins`: the `config` of each `plugin` block by its label (the file name of the
    executable). `statistics`: whether allocations' figures are published. `gc_max_allocs`: how many ended allocations
    a client keeps. `host_volumes`: folders by name. `memory_mb`: 0 for what the machine has. `max_kill_timeout`: the
    longest time a task gets to end. `bind`: the address that the agent listens on. `oversubscription`: whether
    memory_max counts. `extra`: keys that are merged into the configuration last.
    """

    acl: bool = False
    raw_exec: bool = True
    exec: bool = True
    docker: str = ""
    chroot: Mapping[str, str] = field(default_factory=dict)
    plugin_dir: Path | None = None
    plugins: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    statistics: bool = True
    gc_max_allocs: int = 500
    datacenter: str = "dc1"
    node_pool: str = "default"
    node_class: str = ""
    meta: Mapping[str, str] = field(default_factory=dict)
    host_volumes: Mapping[str, Path] = field(default_factory=dict)
    memory_mb: int = 0
    max_kill_timeout: str = "30s"
    bind: str = "127.0.0.1"
    oversubscription: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


def make_configuration(name: str, folder: Path, ports: PortBlock, options: Options) -> dict[str, Any]:
    """Return what servers and clients have in common."""
    configuration: dict[str, Any] = {
        "name": name,
        "datacenter": options.datacenter,
        "data_dir": str(folder / "data"),
        "bind_addr": options.bind,
        "disable_update_check": True,
        "leave_on_interrupt": False,
        "ports": {"http": ports.http, "rpc": ports.rpc, "serf": ports.serf},
        "advertise": {part: f"{options.bind}:{getattr(ports, part)}" for part in ("http", "rpc", "serf")},
        "acl": {"enabled": options.acl, "token_ttl": "1s", "policy_ttl": "1s"},
        "telemetry": {"publish_allocation_metrics": options.statistics, "collection_interval": "1s"},
        "limits": {"http_max_conns_per_client": 1000},
    }
    if options.plugin_dir is not None:
        configuration["plugin_dir"] = str(options.plugin_dir)
    return configuration


def make_client_part(folder: Path, ports: PortBlock, options: Options, servers: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the keys `client` and `plugin`; `servers` are the rpc addresses to join, none in a `-dev` agent."""
    client: dict[str, Any] = {
        "enabled": True,
        "network_interface": "lo",
        "node_pool": options.node_pool,
        "node_class": options.node_class,
        "meta": dict(options.meta),
        "gc_max_allocs": options.gc_max_allocs,
        "gc_disk_usage_threshold": 99,
        "max_kill_timeout": options.max_kill_timeout,
        "min_dynamic_port": ports.lowest,
        "max_dynamic_port": ports.highest,
        "options": {"fingerprint.denylist": _UNASKED, "driver.denylist": ",".join(_denied_drivers(options))},
        "chroot_env": make_chroot(folder) | dict(options.chroot),
        "host_volume": [{name: {"path": str(path)}} for name, path in options.host_volumes.items()],
    }
    if options.memory_mb:
        client["memory_total_mb"] = options.memory_mb
    if servers:
        client["server_join"] = {"retry_join": list(servers), "retry_interval": "1s"}
    return {"client": client, "plugin": [{name: {"config": dict(config)}} for name, config in _plugins(options)]}


def make_server_part(expected: int, others: tuple[str, ...]) -> dict[str, Any]:
    """Return the key `server`, with heartbeats that notice a dead client after about 3 s."""
    server: dict[str, Any] = {
        "enabled": True,
        "bootstrap_expect": expected,
        "raft_multiplier": 1,
        "heartbeat_grace": "1s",
        "min_heartbeat_ttl": "2s",
        "failover_heartbeat_ttl": "5s",
        "max_heartbeats_per_second": 100.0,
    }
    if others:
        server["server_join"] = {"retry_join": list(others), "retry_interval": "1s"}
    return {"server": server}


def merge(base: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the keys of `extra`, merged at every depth; lists are joined."""
    merged = dict(base)
    for key, value in extra.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, Mapping):
            merged[key] = merge(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            merged[key] = old + value
        else:
            merged[key] = value
    return merged


def _denied_drivers(options: Options) -> tuple[str, ...]:
    exec_ = () if options.exec else ("exec",)
    docker = () if options.docker else ("docker",)
    return (*_UNUSED_DRIVERS, *exec_, *docker)


def _plugins(options: Options) -> list[tuple[str, Mapping[str, object]]]:
    found: list[tuple[str, Mapping[str, object]]] = [("raw_exec", {"enabled": options.raw_exec})]
    if options.docker:
        # Images here are imported, not pulled: once collected they would be gone. And several clients may share the
        # daemon, where each would remove the others' containers.
        gc = {"image": False, "dangling_containers": [{"enabled": False}]}
        found.append(("docker", {"endpoint": options.docker, "gc": [gc]}))
    return found + list(options.plugins.items())
