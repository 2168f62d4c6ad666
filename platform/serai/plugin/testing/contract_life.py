"""Contract of schedulers, first part: submit, scale, replace, stop."""

from __future__ import annotations

import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from serai.domain.observation import Observation, Phase, Replica, Workload

from .bench import Bench, is_aware
from .models import GOODBYE, Model, greeting
from .polling import until


class LifeContract:
    # submit

    def test_submit_is_observable_at_once(self, bench: Bench) -> None:
        workload = bench.make(count=2)
        bench.submit(workload)
        seen = bench.scheduler.observe([workload.id]).get(workload.id)
        assert seen is not None, "a workload is there from the return of submit on"
        assert (seen.digest, seen.count) == (workload.digest, 2)

    def test_replicas_become_ready(self, bench: Bench) -> None:
        workload = bench.make(count=2)
        bench.submit(workload)
        for replica in bench.ready(workload).values():
            assert replica.phase is Phase.READY
            host, _, port = replica.address.rpartition(":")
            assert host and port.isdigit(), "a ready replica has an address host:port"
            assert replica.crashes == 0, "crashes are counted since it was last ready"

    def test_values_are_those_of_the_domain(self, bench: Bench) -> None:
        workload = bench.make()
        bench.submit(workload)
        bench.ready(workload)
        seen = bench.scheduler.observe()[workload.id]
        assert isinstance(seen, Observation) and isinstance(seen.replicas, tuple)
        for replica in seen.replicas:
            assert isinstance(replica, Replica) and isinstance(replica.phase, Phase)
            assert is_aware(replica.since) and is_aware(replica.started_at), "instants are aware"
            assert replica.started_at <= replica.since

    def test_replicas_answer_with_their_environment(self, bench: Bench) -> None:
        if not bench.answers_here:
            pytest.skip("addresses cannot be called from here")
        workload = bench.make(count=2)
        bench.submit(workload)
        for replica in bench.ready(workload).values():
            with urllib.request.urlopen(f"http://{replica.address}/", timeout=10) as answer:
                assert "I am " + answer.read().decode() == greeting(workload, replica.id)

    def test_submitting_again_changes_nothing(self, bench: Bench) -> None:
        workload = bench.make(count=2)
        bench.submit(workload)
        before = bench.ready(workload)
        bench.submit(workload)
        bench.submit(replace(workload))
        assert bench.ready(workload).keys() == before.keys()

    def test_many_submits_at_once_start_it_once(self, bench: Bench) -> None:
        workload = bench.make(count=2)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(bench.submit, [workload] * 8))
        bench.ready(workload)
        seen = bench.scheduler.observe([workload.id])[workload.id]
        assert len(seen.replicas) == 2, "nothing beside the two was started, not even for a moment"

    def test_verbs_work_from_several_threads(self, bench: Bench) -> None:
        workloads = [bench.make(version=number) for number in (1, 2, 3)]

        def live_a_life(workload: Workload) -> None:
            bench.submit(workload)
            bench.ready(workload)
            bench.scheduler.observe()
            bench.scheduler.stop(workload.id)
            bench.gone(workload)

        with ThreadPoolExecutor(len(workloads)) as pool:
            list(pool.map(live_a_life, workloads))

    # the count

    def test_scaling_up_keeps_what_runs(self, bench: Bench) -> None:
        bench.submit(bench.make(count=1))
        before = bench.ready(bench.make(count=1))
        bench.submit(bench.make(count=3))
        assert bench.ready(bench.make(count=3)).keys() > before.keys()
        assert bench.scheduler.observe()[bench.make().id].count == 3

    def test_scaling_down_keeps_the_rest(self, bench: Bench) -> None:
        bench.submit(bench.make(count=3))
        before = bench.ready(bench.make(count=3))
        bench.submit(bench.make(count=1))
        assert bench.ready(bench.make(count=1)).keys() < before.keys()

    def test_scaling_to_zero_and_back(self, bench: Bench) -> None:
        bench.submit(bench.make(count=1))
        before = bench.ready(bench.make(count=1))
        bench.submit(bench.make(count=0))
        bench.gone(bench.make(count=0))
        bench.submit(bench.make(count=1))
        after = bench.ready(bench.make(count=1))
        assert not before.keys() & after.keys(), "an id names one replica for ever"

    def test_another_digest_replaces(self, bench: Bench) -> None:
        bench.submit(bench.make(count=2, run=1))
        before = bench.ready(bench.make(count=2, run=1))
        bench.submit(bench.make(count=2, run=2))
        assert bench.scheduler.observe()[bench.make().id].digest == bench.make(run=2).digest
        after = bench.ready(bench.make(count=2, run=2))
        assert not before.keys() & after.keys()

    def test_surplus_tells_what_would_leave(self, bench: Bench) -> None:
        bench.submit(bench.make(count=3))
        live = bench.ready(bench.make(count=3)).keys()
        surplus = bench.scheduler.surplus(bench.make(count=1))
        assert len(surplus) in {0, 2} and set(surplus) <= live, "those too many, or nothing where it is not known"
        assert bench.scheduler.surplus(bench.make(count=3)) == (), "none is too many"
        assert bench.scheduler.surplus(bench.make(version=9, count=1)) == ()
        assert bench.ready(bench.make(count=3)).keys() == live, "asking stops nothing"

    def test_leaving_replicas_leave_first(self, bench: Bench) -> None:
        bench.submit(bench.make(count=3))
        bench.ready(bench.make(count=3))
        surplus = bench.scheduler.surplus(bench.make(count=1))
        if not surplus:
            pytest.skip("this scheduler does not tell which replicas leave")
        bench.submit(replace(bench.make(count=1), leaving=surplus))
        assert not bench.ready(bench.make(count=1)).keys() & set(surplus)

    # stop

    def test_stop_ends_all_replicas(self, bench: Bench) -> None:
        workload = bench.make(count=2)
        bench.submit(workload)
        bench.ready(workload)
        bench.scheduler.stop(workload.id)
        bench.gone(workload)
        seen = bench.scheduler.observe().get(workload.id)
        assert seen is None or seen.count == 0, "a stopped workload is observed with count 0, if at all"
        assert seen is None or all(replica.phase is Phase.ENDED for replica in seen.replicas)

    def test_stop_is_idempotent(self, bench: Bench) -> None:
        workload = bench.make()
        bench.submit(workload)
        bench.ready(workload)
        for _ in range(3):
            bench.scheduler.stop(workload.id)
        bench.gone(workload)
        bench.scheduler.stop(workload.id)
        bench.scheduler.stop("kit-v999")

    def test_stop_lets_replicas_say_goodbye(self, bench: Bench) -> None:
        workload = bench.make()
        bench.submit(workload)
        (replica,) = bench.ready(workload)
        bench.scheduler.stop(workload.id)
        bench.gone(workload)
        texts = [line.text for line in bench.lines(workload, replica)]
        assert texts[-1:] == [GOODBYE], "a replica gets SIGTERM and time to end, and its last lines are kept"

    def test_stop_kills_after_the_drain_time_and_does_not_wait_for_it(self, bench: Bench) -> None:
        workload = bench.make(Model.STUBBORN, drain_timeout_s=2.0)
        bench.submit(workload)
        bench.ready(workload)
        bench.scheduler.stop(workload.id)
        (replica,) = bench.live(workload).values()
        assert replica.phase is Phase.STOPPING and not replica.ready
        bench.gone(workload)

    def test_stop_before_it_is_ready(self, bench: Bench) -> None:
        workload = bench.make(Model.SILENT)
        bench.submit(workload)
        until(lambda: bench.live(workload), "a live replica", bench.timeout_s)
        bench.scheduler.stop(workload.id)
        bench.gone(workload)

    def test_a_stopped_workload_can_run_again(self, bench: Bench) -> None:
        bench.submit(bench.make(run=1))
        before = bench.ready(bench.make(run=1))
        bench.scheduler.stop(bench.make().id)
        bench.submit(bench.make(run=2))
        after = bench.ready(bench.make(run=2))
        assert not before.keys() & after.keys()
