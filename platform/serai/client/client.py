"""The calls of the server's API as methods. Answers are plain dictionaries, typed in `answers`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from .accounts import AccountCalls
from .answers import DeploymentAnswer, EventAnswer, JsonObject, LogLineAnswer, VersionAnswer
from .connection import path_part
from .transport import READ_TIMEOUT_S, Call

PAGE = 1000


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which lines are wanted: `since` and `until` are RFC 3339 or an age (`5m`), `grep` a text, `tail` the last N."""

    replica: str | None = None
    stream: str | None = None
    since: str | None = None
    until: str | None = None
    grep: str | None = None
    tail: int | None = None
    page: int = PAGE

    def params(self) -> dict[str, Any]:
        names = ("replica", "stream", "since", "until", "grep", "tail")
        return {name: getattr(self, name) for name in names} | {"limit": self.page}


ALL_LINES = LogQuery()


class Client(AccountCalls):
    """One server and one caller. May be used by many threads.

    Every method raises the SeraiError that the server answered with, or ServerUnavailable once it could not be
    reached for `patience_s` seconds. Calls that can be repeated without harm are, within that time.

        with Client("http://127.0.0.1:8080", token) as client:
            client.change_deployment("digits", {"count": 4})
    """

    # deployments

    def list_deployments(self) -> list[DeploymentAnswer]:
        """Return all deployments by name."""
        found: list[DeploymentAnswer] = []
        params: dict[str, Any] = {"limit": PAGE}
        while True:
            page = cast(list[DeploymentAnswer], self._get_list("/deployments", params))
            found += page
            if len(page) < PAGE:
                return found
            params["after"] = page[-1]["name"]

    def get_deployment(self, name: str) -> DeploymentAnswer:
        return cast(DeploymentAnswer, self._get(deployment_path(name)))

    def put_deployment(self, name: str, manifest: Mapping[str, Any]) -> tuple[DeploymentAnswer, bool]:
        """Deploy a manifest (with `bundle`). Return the deployment and whether that made a new version."""
        response = self._send(Call("PUT", deployment_path(name), json=dict(manifest)))
        return cast(DeploymentAnswer, response.json()), response.status_code == 201

    def check_fit(self, name: str, manifest: Mapping[str, Any]) -> JsonObject:
        """Return the fit of a manifest, `{verdict, placeable, reason, nodes}`, changing nothing."""
        call = Call("PUT", deployment_path(name), json=dict(manifest), params={"dry_run": "1"})
        return cast(JsonObject, self._send(call).json())

    def change_deployment(self, name: str, values: Mapping[str, Any]) -> DeploymentAnswer:
        """Change settings: count, access, handover, scaling, timeouts, limits, cors, key_header."""
        call = Call("PATCH", deployment_path(name), json=dict(values))
        return cast(DeploymentAnswer, self._send(call).json())

    def delete_deployment(self, name: str) -> None:
        """Delete it with all its versions. Conflict while one is active."""
        self._send(Call("DELETE", deployment_path(name)))

    def set_owner(self, name: str, owner: str) -> DeploymentAnswer:
        """Give it to an account, or to a team, `team:<name>`."""
        return cast(
            DeploymentAnswer, self._send(Call("PUT", f"{deployment_path(name)}/owner", json={"owner": owner})).json()
        )

    def stop_deployment(self, name: str) -> DeploymentAnswer:
        """Stop whatever it runs."""
        return cast(DeploymentAnswer, self._send(Call("POST", f"{deployment_path(name)}/stop")).json())

    def idle_deployment(self, name: str) -> DeploymentAnswer:
        """Let it rest until a request comes. Conflict where none could wake it."""
        return cast(DeploymentAnswer, self._send(Call("POST", f"{deployment_path(name)}/idle")).json())

    def wake_deployment(self, name: str) -> DeploymentAnswer:
        """Have it start its replicas, if it is idle."""
        return cast(DeploymentAnswer, self._send(Call("POST", f"{deployment_path(name)}/wake")).json())

    # versions

    def get_version(self, name: str, number: int) -> VersionAnswer:
        return cast(VersionAnswer, self._get(version_path(name, number)))

    def start_version(self, name: str, number: int) -> None:
        self._send(Call("POST", f"{version_path(name, number)}/start"))

    def stop_version(self, name: str, number: int) -> None:
        self._send(Call("POST", f"{version_path(name, number)}/stop"))

    def delete_version(self, name: str, number: int) -> None:
        """Delete an inactive version for good. Conflict while it is active."""
        self._send(Call("DELETE", version_path(name, number)))

    def list_logs(self, name: str, number: int, wanted: LogQuery = ALL_LINES) -> Iterator[LogLineAnswer]:
        """Yield the kept lines of a version, oldest first."""
        params = wanted.params()
        while True:
            page = self._get(f"{version_path(name, number)}/logs", params)
            yield from cast(list[LogLineAnswer], page["lines"])
            if len(page["lines"]) < wanted.page or wanted.tail is not None:
                return
            params |= {"after": page["next"]}

    def list_replica_logs(self, name: str, number: int) -> list[JsonObject]:
        """Return the replicas that a version has a log of: `{replica, presence, size, last_at}`."""
        found = self._get(f"{version_path(name, number)}/logs/replicas")
        return cast(list[JsonObject], found["replicas"])

    # figures

    def load_requests(self, name: str, params: Mapping[str, Any]) -> JsonObject:
        """Return counts and times of requests: `{total, buckets}`; params from, to, interval, version, ..."""
        return cast(JsonObject, self._get(f"{deployment_path(name)}/metrics/requests", params))

    def compare_versions(self, name: str, params: Mapping[str, Any]) -> JsonObject:
        """Return two versions beside each other: `{versions, total, buckets}`; params versions ("1,2"), clock, ..."""
        return cast(JsonObject, self._get(f"{deployment_path(name)}/metrics/compare", params))

    def load_system(self, name: str, params: Mapping[str, Any]) -> JsonObject:
        """Return what replicas used: `{times, replicas, versions}`; params from, to, interval, version, replica."""
        return cast(JsonObject, self._get(f"{deployment_path(name)}/metrics/system", params))

    def get_trace(self, trace_id: str) -> JsonObject:
        """Return a trace: `{trace_id, url, spans}`; url is that of the tracer, spans are those that were kept."""
        return cast(JsonObject, self._get(f"/traces/{trace_id}"))

    # the installation

    def list_events(
        self, name: str | None = None, after: int | None = None, limit: int = 50, actor: str | None = None
    ) -> list[EventAnswer]:
        """Return the newest lines of the timeline (of one deployment, by one login), newest first."""
        path = f"{deployment_path(name)}/events" if name else "/events"
        return cast(list[EventAnswer], self._get_list(path, {"after": after, "limit": limit, "actor": actor}))

    def whoami(self) -> JsonObject:
        """Return `{login, permissions}` of the token in use."""
        return cast(JsonObject, self._get("/whoami"))

    def load_capacity(self, pool: str | None = None) -> JsonObject:
        """Return `{gpus: [...], nodes: [...]}`: what each machine (of a node pool) has, and what is promised."""
        return cast(JsonObject, self._get("/capacity", {"pool": pool}))

    def list_plugins(self) -> list[JsonObject]:
        return cast(list[JsonObject], self._get_list("/plugins"))

    # keys

    def list_keys(self, deployment: str | None = None) -> list[JsonObject]:
        """Return one's own keys (an administrator's are all), or those of them that open a deployment."""
        return cast(list[JsonObject], self._get_list("/keys", {"deployment": deployment}))

    def get_key(self, key_id: int) -> JsonObject:
        return cast(JsonObject, self._get(f"/keys/{key_id}"))

    def create_key(self, values: Mapping[str, Any]) -> JsonObject:
        """Return the new key with its secret under `key`, which is never shown again."""
        return cast(JsonObject, self._send(Call("POST", "/keys", json=dict(values), idempotent=False)).json())

    def change_key(self, key_id: int, values: Mapping[str, Any]) -> JsonObject:
        """Change name, deployments (None: all of its owner's) or expires_in (from now; None: never)."""
        return cast(JsonObject, self._send(Call("PATCH", f"/keys/{key_id}", json=dict(values))).json())

    def rotate_key(self, key_id: int, overlap: str | float) -> JsonObject:
        """Return the key with a new secret under `key`; the old one is taken for `overlap` more."""
        call = Call("POST", f"/keys/{key_id}/rotate", json={"overlap": overlap}, idempotent=False)
        return cast(JsonObject, self._send(call).json())

    def revoke_key(self, key_id: int) -> None:
        self._send(Call("DELETE", f"/keys/{key_id}"))

    # bundles

    def bundle_offset(self, digest: str) -> int | None:
        """Return how many bytes of the bundle `sha256:<hex>` the server has, None when it has all of it."""
        response = self._send(Call("HEAD", bundle_path(digest), accept=frozenset({404})))
        offset = str(response.headers.get("upload-offset", ""))
        if response.status_code != 404:
            return None
        return int(offset) if offset.isdecimal() else 0

    def download_bundle(self, digest: str) -> Iterator[bytes]:
        """Yield the file of the bundle `sha256:<hex>` piece by piece. What broke off is begun anew by the caller."""
        with self._transport.stream(Call("GET", bundle_path(digest))) as response:
            yield from response.iter_raw()

    # reading

    def read(self, path: str, index: int, wait_s: float) -> tuple[Any, int]:
        """Return (answer, index) of a blocking read: at once if it is newer than `index`, else within `wait_s`."""
        params = {"index": index, "wait": f"{round(wait_s * 1000)}ms"} if index else {}
        response = self._send(Call("GET", path, params=params, read_timeout_s=wait_s + READ_TIMEOUT_S))
        value = str(response.headers.get("x-serai-index", ""))
        return response.json(), int(value) if value.isdecimal() else 0


def deployment_path(name: str) -> str:
    return f"/deployments/{path_part(name)}"


def version_path(name: str, number: int) -> str:
    return f"{deployment_path(name)}/versions/{number}"


def bundle_path(digest: str) -> str:
    return f"/bundles/{digest}"
