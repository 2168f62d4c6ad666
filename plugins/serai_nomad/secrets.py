"""The secrets of a workload: a Nomad variable that only the job's own tasks can read, never part of the job."""

from __future__ import annotations

from serai.domain.observation import Workload


def make_variable_items(workload: Workload) -> dict[str, str]:
    """Return the items of the variable `nomad/jobs/<job id>`, {} where there is nothing secret.

    Raise Invalid where they are more than a variable holds (64 KiB).
    """
    raise NotImplementedError
