"""Nomad's HTTP interface as far as Serai speaks it: typed calls, and nothing but SeraiErrors when they fail.

python-nomad makes the calls that it makes well: reading one job, its allocations, evaluations and versions, one
allocation, node or evaluation, register, plan, validate, stop and purge, variables, the agent and the token. It runs
over our own session, which mends what it gets wrong (see session.py); ids go to it quoted, as it quotes none. What
it does not have or does badly goes by hand over the same session: lists (it drops X-Nomad-Index), checks and
statistics (time-outs of their own), files (it decodes bytes as text), scale, evaluate, HCL with variables, restarts of
one task, statuses, keys, and streams.
"""

from __future__ import annotations

from collections.abc import Mapping

from serai.domain.errors import NotFound, SchedulerUnavailable
from serai_nomad.facts import Json

from .agent_errors import NODE_UNREACHABLE
from .calls import Listing, as_mapping, as_rows, quote_id, speaking
from .connection_errors import NoAnswer
from .job_calls import JobCalls
from .list_calls import ListCalls

__all__ = ["Listing", "NomadApi"]

# Answers that come from a replica's node are waited for so long: it may be gone without anybody knowing yet.
CHECKS_S = 2.0
RELAYED_S = 5.0


class NomadApi(ListCalls, JobCalls):
    """Calls to Nomad in the namespace and region of the settings. Safe from any thread.

    Raise SchedulerUnavailable if no agent answers or none has a leader, with code `node-unreachable` if only a
    replica's node does not; SchedulerError `permission-denied` if the token lacks a right; NotFound; Conflict for
    compare-and-set; SchedulerError with Nomad's own words for what it refuses. Reads, and writes that may be done
    twice, wait up to 10 s for a lost leader.
    """

    # one allocation, evaluation, node

    def allocation(self, id: str) -> Json:
        """Return a whole allocation, with AllocatedResources, TaskStates and its Job. Raise NotFound."""
        with speaking():
            return as_mapping(self._nomad.allocation.get_allocation(quote_id(id)))

    def allocation_checks(self, id: str) -> Json | None:
        """Return the results of a replica's checks by id; {} if none are registered, None if its node does not answer.

        None too if the node does not know the allocation (any more).
        """
        try:
            with speaking():
                path = f"/v1/client/allocation/{quote_id(id)}/checks"
                return as_mapping(self.call("GET", path, read_s=CHECKS_S).json() or {})
        except (NotFound, NoAnswer):
            return None
        except SchedulerUnavailable as error:
            if error.code == NODE_UNREACHABLE:
                return None
            raise

    def allocation_stats(self, id: str) -> Json:
        """Return a replica's statistics; see usage.py. Raise NotFound where its node does not know it (any more)."""
        return self.ask("GET", f"/v1/client/allocation/{quote_id(id)}/stats", read_s=RELAYED_S)

    def stop_allocation(self, id: str) -> Json:
        """Stop a replica; Nomad makes another in its place."""
        with speaking():
            return as_mapping(self._nomad.allocation.stop_allocation(quote_id(id)))

    def restart_allocation(self, id: str, task: str = "") -> None:
        """Restart one task of a replica, or all."""
        self.call("PUT", f"/v1/client/allocation/{quote_id(id)}/restart", body={"TaskName": task})

    def evaluation(self, id: str) -> Json:
        """Return an evaluation. Raise NotFound."""
        with speaking():
            return as_mapping(self._nomad.evaluation.get_evaluation(quote_id(id)))

    def node(self, id: str) -> Json:
        """Return a whole node. Raise NotFound."""
        with speaking():
            return as_mapping(self._nomad.node.get_node(quote_id(id)))

    def node_stats(self, id: str) -> Json:
        """Return the statistics of a node, all its devices among them."""
        return self.ask("GET", "/v1/client/stats", {"node_id": id}, read_s=RELAYED_S)

    def services(self, name: str) -> tuple[Json, ...]:
        """Return the registrations of a service: AllocID, Address, Port; () for an unknown one."""
        with speaking():
            return as_rows(self.call("GET", f"/v1/service/{quote_id(name)}").json())

    # variables

    def get_variable(self, path: str) -> Json:
        """Return a variable: Items, ModifyIndex. Raise NotFound."""
        with speaking():
            return as_mapping(self._nomad.variable.get_variable(quote_id(path, safe="/")))

    def put_variable(self, path: str, items: Mapping[str, str], cas: int | None = None) -> Json:
        """Write a variable, with `cas` only if its ModifyIndex is that (0: if there is none); else Conflict."""
        body = {"Path": path, "Namespace": self.settings.namespace, "Items": dict(items)}
        with speaking():
            return as_mapping(self._nomad.variable.create_variable(quote_id(path, safe="/"), body, cas=cas))

    def delete_variable(self, path: str, cas: int | None = None) -> None:
        """Delete a variable; an unknown one is fine."""
        with speaking():
            self._nomad.variable.delete_variable(quote_id(path, safe="/"), cas=cas)

    def list_variables(self, prefix: str = "") -> Listing:
        """Return the paths and indexes of variables, never their items."""
        return self._list("/v1/vars", 0, 0, prefix=prefix or None)

    # the cluster

    def jwks(self) -> Json:
        """Return the public keys that sign workload identities."""
        return self.ask("GET", "/.well-known/jwks.json")

    def agent_self(self) -> Json:
        """Return the agent's configuration and version; needs the right agent:read."""
        with speaking():
            return as_mapping(self._nomad.agent.get_agent())

    def agent_health(self) -> Json:
        """Return `{"server": {"ok": true}, ...}`, open to all. Raise SchedulerUnavailable if it is not ok."""
        return self.ask("GET", "/v1/agent/health")

    def regions(self) -> tuple[str, ...]:
        """Return the names of the regions; open to all."""
        with speaking():
            return tuple(self._nomad.regions.get_regions())
