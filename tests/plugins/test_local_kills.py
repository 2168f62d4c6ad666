"""kill -9 at the server's side, at shims, at models: what is wanted runs exactly once, and nothing is left behind."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from serai.domain.errors import SchedulerUnavailable
from serai.domain.observation import Phase, Stream, Workload
from serai_local import launch
from tests.plugins.stage import FAST, SERVE_ON, WAITING, Stage, python
from tests.waiting import eventually

VICTIM = Path(__file__).with_name("victim.py")


def test_replicas_outlive_the_scheduler_and_are_adopted(stage: Stage) -> None:
    workload = stage.run(command=WAITING, count=2)
    before = {replica.id: replica for replica in stage.ready(workload)}
    pids = {process.pid for process in stage.processes()}
    stage.scheduler.close()
    assert {process.pid for process in stage.processes()} == pids
    stage.open()
    after = {replica.id: replica for replica in stage.ready(workload)}
    assert after == before and {process.pid for process in stage.processes()} == pids


def test_a_model_that_ends_while_no_server_runs_is_started_again_all_the_same(stage: Stage) -> None:
    workload = stage.run(command=WAITING)
    (replica,) = stage.ready(workload)
    (old,) = stage.processes()
    stage.scheduler.close()
    old.kill()
    eventually(lambda: [p for p in stage.processes() if p.pid != old.pid])
    stage.open()
    assert stage.ready(workload)[0].id == replica.id


def test_a_stop_survives_the_server(stage: Stage) -> None:
    code = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.5), sys.exit(0)))\n" + SERVE_ON
    workload = stage.run(command=python(code))
    stage.ready(workload)
    stage.scheduler.stop(workload.id)
    stage.scheduler.close()
    eventually(lambda: not stage.processes())
    stage.open()
    eventually(lambda: not stage.live(workload))
    assert stage.observe(workload).count == 0


def test_a_killed_shim_takes_its_model_along_and_is_replaced(stage: Stage) -> None:
    code = "import subprocess\nsubprocess.Popen(['sleep', '300'], start_new_session=True)\n" + SERVE_ON
    workload = stage.run(command=python(code))
    (replica,) = stage.ready(workload)
    family = stage.processes(replica.id)
    assert len(family) == 2
    stage.shims()[0].kill()
    (other,) = eventually(lambda: [r for r in stage.ready(workload) if r.id != replica.id])
    assert other.ready and not any(process.is_running() for process in family if process.status() != "zombie")
    (ended,) = (r for r in stage.observe(workload).replicas if not r.live)
    assert ended.id == replica.id and ended.reason and ended.reason.code == "failed-replica"
    assert not (stage.place(workload, replica.id) / "work").exists()


def test_a_shim_killed_while_no_server_runs_is_found_at_the_start(stage: Stage) -> None:
    workload = stage.run(command=WAITING, count=2)
    first, second = stage.ready(workload)
    stage.scheduler.close()
    shim = next(s for s in stage.shims() if s.cmdline()[-1].endswith(first.id))
    shim.kill()
    stage.open()
    kept = {replica.id for replica in stage.ready(workload)}
    assert second.id in kept and first.id not in kept and not stage.processes(first.id)


def test_a_replica_whose_shim_never_began_is_started(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.Launcher, "start", lambda self, place: 2**22 - 1)  # the server dies in between
    workload = stage.run(command=WAITING)
    monkeypatch.undo()
    assert stage.ready(workload)


def test_two_shims_for_one_replica_are_one(stage: Stage) -> None:
    workload = stage.run(command=WAITING)
    (replica,) = stage.ready(workload)
    argv = stage.shims()[0].cmdline()
    second = subprocess.run([*argv], timeout=20, check=False)
    assert second.returncode == 0 and len(stage.processes(replica.id)) == 1
    assert stage.ready(workload)[0].id == replica.id


def test_sigterm_to_a_shim_ends_it_gracefully_and_another_takes_its_place(stage: Stage) -> None:
    workload = stage.run(command=WAITING)
    (replica,) = stage.ready(workload)
    stage.shims()[0].terminate()
    eventually(lambda: any(not r.live for r in stage.observe(workload).replicas))
    assert stage.ready(workload)[0].id != replica.id
    assert any("Stopping" in text for text in stage.texts(workload, replica.id, Stream.SYSTEM))


def test_history_is_kept_up_to_a_number(stage: Stage) -> None:
    for run in range(1, 14):
        workload = stage.run(command="echo done; sleep 99", run=run, drain_timeout_s=0.1)
        eventually(partial(has_one, stage, workload), 5)
    stage.stop(workload)
    ended = stage.observe(workload).replicas
    assert len(ended) == FAST.keep_ended and all(replica.phase is Phase.ENDED for replica in ended)
    folders = [path.name for path in stage.place(workload, "x").parent.iterdir()]
    assert sorted(folders) == sorted(replica.id for replica in ended)


def test_a_replica_whose_folder_is_removed_ends(stage: Stage) -> None:
    workload = stage.run(command=WAITING)
    (replica,) = stage.ready(workload)
    shutil.rmtree(stage.place(workload, replica.id))
    eventually(lambda: not stage.processes() and not stage.shims())
    with pytest.raises(SchedulerUnavailable):
        stage.scheduler.observe()
    stage.scheduler.close()
    stage.open()
    assert stage.ready(workload)[0].id != replica.id


def test_one_server_at_a_time(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serai_local.home._PATIENCE_S", 0.1)
    with pytest.raises(SchedulerUnavailable, match="another server"):
        Stage(stage.folder)


def test_hints_name_what_changed(stage: Stage) -> None:
    hints = stage.scheduler.hints()
    workload = stage.run(command=WAITING)
    assert next(hints) == workload.id
    hints.close()  # type: ignore[attr-defined]


def has_none(stage: Stage, workload: Workload) -> bool:
    return not stage.live(workload)


def has_one(stage: Stage, workload: Workload) -> bool:
    return len(stage.live(workload)) == 1


def kill_a_server(folder: Path, seed: int) -> None:
    """Run a server's side that does this and that, and kill it at a random moment."""
    process = subprocess.Popen([sys.executable, str(VICTIM), str(folder), str(seed)], stdout=subprocess.PIPE)
    assert process.stdout
    with process.stdout as output:
        assert output.readline() == b"go\n"
        time.sleep(random.Random(seed).uniform(0.0, 0.4))
        process.send_signal(signal.SIGKILL)
        process.wait()


def assert_settles(stage: Stage, workloads: list[Workload]) -> None:
    """Check that exactly what is wanted runs, each replica once."""
    for workload in workloads:
        if workload.count:
            stage.ready(workload, 30)
        else:
            eventually(partial(has_none, stage, workload), 30)
    wanted = {replica.id: 1 for workload in workloads for replica in stage.live(workload)}
    eventually(lambda: Counter(p.environ()["SERAI_REPLICA"] for p in stage.processes()) == wanted, 10)
    eventually(lambda: len(stage.shims()) == len(wanted), 10)


@pytest.mark.slow
def test_a_server_killed_again_and_again_loses_and_doubles_nothing(stage: Stage) -> None:
    for seed in range(int(os.environ.get("SERAI_TEST_KILLS", "3"))):
        stage.scheduler.close()
        kill_a_server(stage.folder, seed)
        stage.open()
        counts = random.Random(seed).choices([0, 1, 2], k=2)
        workloads = [
            stage.run(name, count=count, command=WAITING, drain_timeout_s=0.2)
            for name, count in zip(("red-v1", "blue-v1"), counts, strict=True)
        ]
        assert_settles(stage, workloads)
