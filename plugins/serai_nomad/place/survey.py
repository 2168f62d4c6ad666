"""Each node with what keeps a replica from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from serai_nomad.facts import ClusterFacts, Holding

from .asks import Ask
from .rooms import Room, keep_rooms
from .stages import Stage, find_stage


@dataclass(frozen=True, slots=True)
class Survey:
    """`stages` maps node ids to what keeps a replica away; `nearest` is the best of them, None without any node."""

    ask: Ask
    rooms: tuple[Room, ...]
    stages: Mapping[str, Stage]
    holdings: tuple[Holding, ...]

    @property
    def nearest(self) -> Stage | None:
        return max(self.stages.values(), default=None)

    @property
    def closest(self) -> list[Room]:
        """Return the nodes that came furthest: what keeps a replica from them is the reason."""
        return self.at(self.nearest) if self.nearest else []

    def at(self, *stages: Stage) -> list[Room]:
        return [room for room in self.rooms if self.stages[room.node.id] in stages]

    def past(self, stage: Stage) -> list[Room]:
        """Return the nodes that fail later, or not at all."""
        return [room for room in self.rooms if self.stages[room.node.id] > stage]


def make_survey(ask: Ask, cluster: ClusterFacts) -> Survey:
    rooms = keep_rooms(cluster)
    return Survey(ask, rooms, {room.node.id: find_stage(ask, room) for room in rooms}, cluster.holdings)
