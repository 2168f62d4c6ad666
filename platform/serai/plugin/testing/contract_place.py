"""Contract of schedulers, third part: usage, fit, capacity. All optional, but truthful."""

from __future__ import annotations

import pytest

from serai.domain.errors import NotSupported
from serai.domain.observation import Fit, NodeCapacity, Verdict, Workload

from .bench import Bench, is_aware


class PlaceContract:
    def test_usage_is_of_live_replicas(self, bench: Bench) -> None:
        workload = bench.make(count=2)
        bench.submit(workload)
        live = bench.ready(workload)
        samples = bench.scheduler.usage([workload.id])
        assert {sample.replica for sample in samples} <= live.keys()
        assert len({sample.replica for sample in samples}) == len(samples), "one sample of each"
        for sample in samples:
            assert is_aware(sample.at)
            figures = (sample.cpu_user, sample.cpu_system, sample.memory_used_bytes, sample.memory_total_bytes)
            assert all(figure is None or figure >= 0 for figure in figures)
        assert bench.scheduler.usage(["kit-v999"]) == []

    def test_fit_says_how_many_and_why_not_more(self, bench: Bench) -> None:
        running, asked = bench.make(version=1), bench.make(version=2, count=2)
        fit = _fit(bench, asked)
        bench.submit(running)
        bench.ready(running)
        freed = _fit(bench, asked, [running.id])
        for one in (fit, freed, _fit(bench, asked)):
            assert one.placeable >= 0 and isinstance(one.verdict, Verdict)
            assert (one.verdict is Verdict.NOW) == (one.placeable >= asked.count)
            assert (one.reason is None) == (one.verdict is Verdict.NOW), "a reason says why not all fit"
        assert freed.placeable >= _fit(bench, asked).placeable, "freeing a workload takes no place away"
        assert asked.id not in bench.scheduler.observe(), "asking starts nothing"

    def test_capacity_names_nodes(self, bench: Bench) -> None:
        try:
            nodes = bench.scheduler.capacity()
        except NotSupported as error:
            pytest.skip(error.message)
        assert nodes and all(isinstance(node, NodeCapacity) and node.name for node in nodes)
        for node in nodes:
            assert node.cores > 0 and node.cores_taken >= 0
            assert node.memory_bytes > 0 and node.memory_taken_bytes >= 0


def _fit(bench: Bench, workload: Workload, freeing: list[str] | None = None) -> Fit:
    try:
        return bench.scheduler.fit(workload, freeing or [])
    except NotSupported as error:
        pytest.skip(error.message)
