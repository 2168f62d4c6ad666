"""The commands that bring HAProxy from what it knows to what it is to know. Pure.

Order is what keeps requests whole:

1. what is taken away from callers goes first: grants and keys;
2. new replicas are there before anything is sent to them;
3. rows and grants turn requests to them;
4. only then old replicas are drained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .state import Server, State

ROWS, GRANTS, KEYS = "maps/rows.map", "maps/grants.map", "maps/keys.map"
# A server without maxconn never works a queue off. The look at a replica that refused comes every second, at one that
# works seldom: requests tell sooner.
_NEW = (
    "maxconn 100000 pool-purge-delay 1500ms check inter 15s fastinter 1s downinter 1s fall 1 rise 1 "
    "observe layer4 error-limit 1 on-error mark-down"
)


def plan(known: State, wanted: State) -> list[str]:
    """Return the commands, in order."""
    return [
        *_remove(GRANTS, known.grants, wanted.grants),
        *_remove(KEYS, known.keys, wanted.keys),
        *_bring_servers(known.servers, wanted.servers),
        *_set(KEYS, known.keys, wanted.keys),
        *_set(GRANTS, known.grants, wanted.grants),
        *_set(ROWS, known.rows, wanted.rows),
        *_remove(ROWS, known.rows, wanted.rows),
        *_drain(known.servers, wanted.servers),
    ]


def server_line(server: Server) -> str:
    """Return what follows the name of a server in a configuration or command."""
    return f"{server.address} {_NEW}"


def remove_server(key: str) -> list[str]:
    """Return the commands that remove a server that carries nothing any more."""
    return [f"set server {key} state maint", f"del server {key}"]


def _remove(map_name: str, known: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[str]:
    return (f"del map {map_name} {key}" for key in known if key not in wanted)


def _set(map_name: str, known: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[str]:
    for key, value in wanted.items():
        if key not in known:
            yield f"add map {map_name} {key} {value}"
        elif known[key] != value:
            yield f"set map {map_name} {key} {value}"


def _bring_servers(known: Mapping[str, Server], wanted: Mapping[str, Server]) -> Iterator[str]:
    for key, server in wanted.items():
        before = known.get(key)
        if before is None:
            yield f"add server {key} {server_line(server)}"
            yield f"enable health {key}"
        elif before.address != server.address:
            host, _, port = server.address.rpartition(":")
            yield f"set server {key} addr {host.strip('[]')} port {port}"
        if before is None or before.is_draining:
            yield f"set server {key} state ready"


def _drain(known: Mapping[str, Server], wanted: Mapping[str, Server]) -> Iterator[str]:
    return (
        f"set server {key} state drain" for key, server in known.items() if key not in wanted and not server.is_draining
    )
