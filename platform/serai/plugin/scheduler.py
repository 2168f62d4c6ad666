"""The contract of a scheduler: run workloads, stop them, and say truthfully what is there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping

from serai.domain.errors import NotSupported
from serai.domain.observation import Fit, LogLine, NodeCapacity, Observation, Stream, Usage, Workload


class Scheduler(ABC):
    """Runs workloads somewhere.

    Every verb is idempotent: calling it again with the same arguments changes nothing more. No verb waits for
    processes to come up or go down; `observe` tells how far they are. A scheduler that cannot be reached raises
    SchedulerUnavailable and one that refuses raises SchedulerError or Invalid; it never answers with less than
    the truth, as an empty answer would have running models taken for gone. Verbs are called from several threads.

    The smallest useful scheduler has three verbs (`examples/plugins/` has one that runs):

        class Mine(Scheduler):
            def submit(self, workload): self.jobs[workload.id] = run(workload)
            def stop(self, workload_id): self.jobs[workload_id].terminate()
            def observe(self, ids=None): return {id: job.look() for id, job in self.jobs.items()}
    """

    @abstractmethod
    def submit(self, workload: Workload) -> None:
        """Make `workload` run at its count.

        Replicas that carry its digest are kept; a change of the count alone starts or gracefully stops only the
        difference. Replicas of another digest are stopped gracefully and replaced.
        """

    @abstractmethod
    def stop(self, workload_id: str) -> None:
        """Stop all replicas gracefully: SIGTERM, the spec's drain time, then SIGKILL. Unknown ids are fine."""

    @abstractmethod
    def observe(self, ids: Collection[str] | None = None) -> Mapping[str, Observation]:
        """Return what is there of the workloads `ids`, or of all that are ours with None.

        A workload that is not in the answer does not exist there. One being started is there from the return of
        `submit` on, one being stopped stays until its last replica has ended.
        """

    def surplus(self, workload: Workload) -> tuple[str, ...]:
        """Return the ids of the replicas that `submit(workload)` would stop because there are too many.

        They are drained first and then named in the workload's `leaving`. Empty: replicas leave without a drain.
        """
        return ()

    def purge(self, workload_id: str) -> None:
        """Forget a stopped workload: its logs, working copies and history. Raise Conflict while replicas live."""

    def hints(self) -> Iterator[str]:
        """Yield ids of workloads worth looking at sooner; block in between; end after `close`.

        A hint may be wrong, doubled or lost: the periodic look is the truth.
        """
        return iter(())

    def logs(
        self, workload_id: str, replica: str, stream: Stream | None = None, after: str | None = None
    ) -> Iterator[LogLine]:
        """Yield the kept lines of a replica in order, live or ended, without waiting for more.

        With `after`, a LogLine's cursor, the lines behind it. Followers call again with the last cursor, and no
        line is lost or doubled by that as long as it is kept. Raise NotFound for an unknown replica.
        """
        raise NotSupported(f"the scheduler {type(self).__name__} keeps no logs")

    def usage(self, ids: Collection[str] | None = None) -> list[Usage]:
        """Return the newest sample of each live replica of `ids` (all with None); what is not known stays None."""
        return []

    def fit(self, workload: Workload, freeing: Collection[str] = ()) -> Fit:
        """Return how many replicas would fit now, beside all that runs, if the workloads `freeing` were gone."""
        raise NotSupported(f"the scheduler {type(self).__name__} cannot tell whether a workload fits")

    def capacity(self) -> list[NodeCapacity]:
        """Return each node with what it has and what is taken."""
        raise NotSupported(f"the scheduler {type(self).__name__} cannot tell its capacity")

    def close(self) -> None:
        """Release threads, files and sockets. Replicas go on running."""
