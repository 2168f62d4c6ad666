"""When the cluster is read: once in a while, whether that works or not, and each node's detail once a change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from serai.domain.errors import SchedulerError
from serai_nomad.place.cluster_view import ClusterView
from tests.plugins.nomad_stand_in import Heard, Said, StandIn, talking


class Nodes:
    """One node; `asked` counts the calls by path."""

    def __init__(self) -> None:
        self.index = 5
        self.status = "ready"
        self.is_denied = False
        self.asked: Counter[str] = Counter()

    def answer(self, heard: Heard) -> Said:
        self.asked[heard.path] += 1
        if self.is_denied:
            return Said(403, "Permission denied")
        node = {"ID": "n1", "Name": "n1", "Status": self.status, "ModifyIndex": self.index, "Meta": {"zone": "a"}}
        bodies: dict[str, object] = {"/v1/nodes": [node], "/v1/node/n1": node, "/v1/allocations": []}
        return Said(body=bodies[heard.path], headers={"X-Nomad-Index": str(self.index)})


@pytest.fixture
def nodes() -> Nodes:
    return Nodes()


@pytest.fixture
def view(nodes: Nodes) -> Iterator[ClusterView]:
    with StandIn(nodes.answer) as agent, talking(agent) as api, ThreadPoolExecutor(2) as pool:
        yield ClusterView(api, pool)


def test_what_has_not_changed_is_the_same_object_and_a_nodes_detail_is_read_once(
    view: ClusterView, nodes: Nodes
) -> None:
    first = view.get()
    assert view.get() is first and nodes.asked == {"/v1/nodes": 1, "/v1/node/n1": 1, "/v1/allocations": 1}
    view.expire()
    assert view.get() is first
    assert nodes.asked == {"/v1/nodes": 2, "/v1/node/n1": 1, "/v1/allocations": 2}
    nodes.status, nodes.index = "down", 6
    assert view.get() is first, "it was read a moment ago"
    view.expire()
    assert view.get().nodes[0].status == "down" and nodes.asked["/v1/node/n1"] == 2


def test_that_it_cannot_be_read_is_not_asked_again_for_each_job(view: ClusterView, nodes: Nodes) -> None:
    nodes.is_denied = True
    for _ in range(3):
        assert view.get_if_possible() is None
        with pytest.raises(SchedulerError, match="denied"):
            view.get()
    assert nodes.asked == {"/v1/nodes": 1}
    nodes.is_denied = False
    view.expire()
    assert view.get().nodes[0].meta == {"zone": "a"}
