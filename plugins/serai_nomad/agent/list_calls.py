"""Lists of a whole namespace or cluster, with the indexes of their tables."""

from __future__ import annotations

from collections.abc import Collection

from .calls import Calls, Listing, read_listing


class ListCalls(Calls):
    """With `index` of an earlier listing and `wait_s` a list answers when its table has changed or the time is over."""

    def list_jobs(self, meta: bool = True, index: int = 0, wait_s: float = 0) -> Listing:
        """Return stubs of the namespace's jobs, stopped ones too: ID, Stop, Status, Version, Meta, JobModifyIndex...

        `ModifyIndex` moves with every change of the job or its summary.
        """
        return self._list("/v1/jobs", index, wait_s, meta="true" if meta else None)

    def job_statuses(self, ids: Collection[str] | None = None) -> Listing:
        """Return `/v1/jobs/statuses` of these jobs, or of all: Version, Stop, GroupCountSum, Allocs[{ID, ClientStatus,
        FollowupEvalID, ...}]. Before Nomad 2.0.4 a job that is missing here may exist all the same."""
        namespace = self.settings.namespace
        body = None if ids is None else {"Jobs": [{"ID": id, "Namespace": namespace} for id in ids]}
        if ids is not None and not ids:
            return Listing((), 0)
        return read_listing(self.call("GET" if body is None else "POST", "/v1/jobs/statuses", body=body))

    def list_allocations(
        self, task_states: bool = True, resources: bool = False, filter: str = "", index: int = 0, wait_s: float = 0
    ) -> Listing:
        """Return stubs of the namespace's allocations; `resources` adds AllocatedResources (ports, devices)."""
        options = {"task_states": str(task_states).lower(), "resources": "true" if resources else None}
        return self._list("/v1/allocations", index, wait_s, **options, filter=filter or None)

    def list_all_allocations(self, filter: str = "") -> Listing:
        """Return stubs with AllocatedResources of every namespace that the token may read, without TaskStates.

        Namespaces it may not read are silently left out.
        """
        return self._list(
            "/v1/allocations", 0, 0, namespace="*", task_states="false", resources="true", filter=filter or None
        )

    def list_evaluations(
        self, status: str = "", job: str = "", filter: str = "", index: int = 0, wait_s: float = 0
    ) -> Listing:
        """Return the namespace's evaluations of a status and a job. Nomad takes `filter` only without these two."""
        return self._list(
            "/v1/evaluations", index, wait_s, status=status or None, job=job or None, filter=filter or None
        )

    def list_nodes(self, resources: bool = True, index: int = 0, wait_s: float = 0) -> Listing:
        """Return stubs of all nodes; `resources` adds NodeResources and ReservedResources."""
        return self._list("/v1/nodes", index, wait_s, resources="true" if resources else None)

    def table_index(self, table: str) -> int:
        """Return the index of `jobs`, `allocations`, `evaluations` or `nodes`: as cheap as a call gets.

        It moves with every change in the table, of other namespaces too.
        """
        options = {"task_states": "false"} if table == "allocations" else {}
        return self._list(f"/v1/{table}", 0, 0, per_page=1, **options).table_index

    def indexes(self) -> tuple[int, int, int]:
        """Return the indexes of jobs, allocations and evaluations, as they were before any list read after this."""
        return self.table_index("jobs"), self.table_index("allocations"), self.table_index("evaluations")
