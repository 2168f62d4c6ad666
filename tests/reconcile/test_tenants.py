"""Who is on which machine: tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from serai.domain.deployment import Deployment, Settings, Version
from serai.domain.observation import NodeCapacity, Phase, Replica, Usage
from serai.domain.quantity import Cpu
from serai.domain.spec import Resources, Spec
from serai.domain.status import State, Status
from serai.reconcile.tenants import Tenant, find_rest, find_tenants
from serai.reconcile.views import DeploymentView, VersionView

NOW = datetime(2026, 3, 1, tzinfo=UTC)
GIB = 2**30


def make_replica(id: str, node: str, *, live: bool = True, gpus: int = 0) -> Replica:
    held = tuple(f"gpu-{number}" for number in range(gpus))
    return Replica(id, Phase.READY, live, live, "d", NOW, NOW, node=node, gpus=held)


def make_view(name: str, resources: Resources, **replicas: list[Replica]) -> DeploymentView:
    """Return a deployment with the replicas of its versions, `v1=[...]`."""
    versions = [
        VersionView(
            Version(name, int(number[1:]), Spec(image="x", resources=resources), NOW),
            Status(State.RUNNING, None, 1, 1),
            tuple(those),
            False,
            None,
        )
        for number, those in replicas.items()
    ]
    return DeploymentView(Deployment(name, "", Settings(), NOW, NOW), tuple(versions), versions[0], 1)


def test_replicas_are_told_by_machine_and_version() -> None:
    asked = Resources(Cpu(2.0), GIB)
    ended = make_replica("d4", "one", live=False)
    first = [make_replica("d1", "one", gpus=1), make_replica("d2", "one", gpus=2), make_replica("d3", "two"), ended]
    digits = make_view("digits", asked, v2=first, v1=[make_replica("d0", "one")])
    waiting = make_view("bare", Resources(), v1=[make_replica("b1", ""), make_replica("b2", "two")])
    usage = {
        ("digits-v2", "d1"): Usage("d1", NOW, 0.5, 0.1, 2.0, GIB),
        ("digits-v2", "d2"): Usage("d2", NOW, 0.5, None, 2.0, None),
        ("bare-v1", "d3"): Usage("d3", NOW, 9.0, 9.0, 9.0, GIB),  # of a workload that has no such replica
    }
    assert find_tenants([digits, waiting], usage) == {
        "one": (
            Tenant("digits", 1, 1, Cpu(2.0), GIB),
            Tenant("digits", 2, 2, Cpu(2.0), GIB, 3, pytest.approx(1.1), GIB),  # type: ignore[arg-type]
        ),
        "two": (Tenant("bare", 1, 1), Tenant("digits", 2, 1, Cpu(2.0), GIB)),
    }
    assert find_tenants([], usage) == {}


@pytest.mark.parametrize(
    ("tenants", "rest"),
    [
        ([], (10.0, 8 * GIB)),
        ([Tenant("a", 1, 2, Cpu(2.0), GIB), Tenant("b", 1, 1, Cpu(0.5), 2 * GIB)], (5.5, 4 * GIB)),
        ([Tenant("a", 1, 2, Cpu(mhz=1500), GIB)], (0.0, 6 * GIB)),
        ([Tenant("a", 1, 2, Cpu(2.0), None)], (6.0, 0)),
        ([Tenant("a", 1, 2, None, GIB)], (0.0, 6 * GIB)),
        ([Tenant("a", 1, 9, Cpu(2.0), GIB)], (0.0, 0)),  # one that has just ended and is still counted here
    ],
)
def test_what_others_hold(tenants: list[Tenant], rest: tuple[float, int]) -> None:
    assert find_rest(NodeCapacity("one", 48.0, 10.0, 64 * GIB, 8 * GIB), tenants) == rest
