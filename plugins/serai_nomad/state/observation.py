"""From what Nomad says of one job to an Observation. Pure: the facts and the time are arguments.

    each allocation, its client status          live  ready  phase
     4  complete, failed                        no    no     ended
     4' failed, to be placed anew as planned    yes   no     backing-off
     5  lost: its node is down                  no    no     ended
     6  unknown: its node is disconnected       yes   no     placed (nobody can see how far it is), or stopping
     7  any other, to be stopped, or job stopped yes  no     stopping
     8  running, its checks all succeed         yes   YES    ready, whatever Nomad's health flag says
     9  running, a check fails or is pending    yes   no     loading: nothing listens; checking: answered, but badly
    10  running, no answer about checks         yes   no     loading, or checking if it was ready
    11  pending between two tries               yes   no     backing-off
    12  pending                                 yes   no     placed, fetching, installing

    why some are missing, the first that holds  waiting
    13  a blocked evaluation                    why there is no place, with the funnel's figures
    15  a planned one                           rescheduling: when another replica starts
    16  an open one, none at all, or one of the last 2 s   scheduling
    17  an allocation of row 6                  node-unreachable; Nomad counts it beside the one that stands in for it

    none of these, and nothing will happen      failed
    18  the newest has failed                   its cause
    19  the newest evaluation failed            gave-up
    20  else                                    gave-up

Missing is what the count wants beyond those allocations of the job's digest that serve: live, not to be stopped, not
of row 6, not of row 4'. A replica on its way (rows 9 to 12) tells of itself; `waiting` is for those that are not there.
Nomad's own words for all this, its job status and health flags, say something else and are not used.
"""

from __future__ import annotations

from datetime import datetime

from serai.domain.observation import Observation
from serai.domain.reasons import Reason
from serai_nomad.facts import ClusterFacts, JobFacts

from .crashes import make_chains
from .evaluations import Evaluations, read_evaluations
from .giving_up import explain_failure, explain_fatal
from .replicas import Judge, Judged
from .rows import read_rows
from .tries import make_tries
from .waiting import explain_counted, explain_waiting


def derive_observation(facts: JobFacts, cluster: ClusterFacts | None, now: datetime) -> Observation:
    """Return what is there of a job. Never raises, whatever is missing in the facts.

    `cluster` makes the reasons of waiting more exact; without it nothing is said of what a node has. `now` is the time
    of Nomad's servers.
    """
    rows, evaluations = read_rows(facts), read_evaluations(facts)
    judge = Judge(facts, make_chains(rows, facts.served_since), make_tries(facts.definition), evaluations.pending())
    judged = [judge.judge(row) for row in rows]
    waiting, failed = _explain_missing(facts, judged, evaluations, cluster, now)
    replicas = tuple(each.replica for each in judged)
    count = 0 if facts.is_stopped else facts.count
    return Observation(facts.digest, count, replicas, waiting, failed)


def _explain_missing(
    facts: JobFacts, judged: list[Judged], evaluations: Evaluations, cluster: ClusterFacts | None, now: datetime
) -> tuple[Reason | None, Reason | None]:
    """Return `waiting` and `failed`. Where Nomad gave up, that is also why replicas are missing."""
    if facts.is_stopped:
        return None, None
    ours = [each for each in judged if each.row.digest == facts.digest]
    fatal = explain_fatal(ours)
    if sum(each.serves for each in ours) >= facts.count:
        return None, fatal
    waiting = explain_waiting(_to_replace(ours), evaluations, facts.definition, cluster, now) or explain_counted(ours)
    if waiting is not None:
        return waiting, fatal
    failed = fatal or explain_failure(ours, evaluations, facts.count)
    return failed, failed


def _to_replace(judged: list[Judged]) -> list[Judged]:
    """Return the allocations whose place another one has to take and has not taken yet."""
    return [each for each in judged if not each.serves and not each.row.next and _left_alone(each)]


def _left_alone(judged: Judged) -> bool:
    row = judged.row
    return row.desired in {"run", "evict"} or row.client == "lost" or row.is_drained
