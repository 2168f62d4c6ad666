"""Handover on a real Nomad whose GPUs are all taken, under constant load: no request fails, whichever way it goes.

The requests are POSTs, which no gateway sends twice: none may be in flight to a replica that ends.

Every deployment has two replicas with a GPU each. Beside the old version a new one fits as a whole on L4, by half on
A100 and A30 (three each), and not at all on T4, V100, P4 and K80 (two each). Deployments that do not share a model are
handed over at the same time, as on any cluster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from serai_gpu.install import install
from tests.live.agent import make_dev_agent
from tests.live.leftovers import make_folder
from tests.live.serai_server import NomadInstallation
from tests.live.watcher import Seen, Watcher
from tests.system.deploying import put_folder
from tests.system.installation import MODEL, make_model
from tests.system.load import Load
from tests.waiting import eventually

pytestmark = [pytest.mark.xdist_group("nomad-handover"), pytest.mark.slow]

MODELS = ["L4:12", "A100-40GB:3", "A30:3", "T4:2", "V100-16GB:2", "P4:2", "K80:2"]
MANIFEST = """
name: {name}
replicas: 2
handover: {handover}
resources: {{memory: 64MiB, gpu: {gpu}}}
drain_timeout: 5s
start_attempts: 2
start_timeout: {start_timeout}
"""
SECOND = MODEL + "\n# the second version\n"
CRASHES = 'print("no weights", flush=True); raise SystemExit(3)'
NEVER_LISTENS = "import time; time.sleep(60)"


@pytest.fixture(scope="module")
def serai(nomad: Path) -> Iterator[NomadInstallation]:
    with ExitStack() as stack:
        folder = stack.enter_context(make_folder("handover"))
        sizes = [f"{model}:8GiB" if model.startswith(("A30", "P4", "K80")) else model for model in MODELS]
        plugin = {"mode": "simulated", "node": "n", "control": str(folder / "control"), "models": sizes}
        options = {"exec": False, "plugin_dir": install(folder / "plugins").parent, "plugins": {"serai-gpu": plugin}}
        agent = stack.enter_context(make_dev_agent(folder / "agent", nomad, **options))
        made = stack.enter_context(closing(NomadInstallation(folder / "serai", agent)))
        made.start()
        yield made


@dataclass
class Trial:
    """One deployment with two versions, a load on it, and what was seen of it meanwhile."""

    serai: NomadInstallation
    folder: Path
    gpu: str
    handover: str = "auto"
    load: Load = field(init=False)
    watcher: Watcher = field(init=False)

    @property
    def name(self) -> str:
        """The deployment's; a test that is run again gets another one, as pytest gives it another folder."""
        return f"{self.folder.name}-{self.folder.parent.name[-1]}"

    @property
    def story(self) -> list[Seen]:
        return self.watcher.story[self.name]

    @property
    def handings(self) -> list[str]:
        """The modes of handover that were seen, each once."""
        return list(dict.fromkeys(seen.handing for seen in self.story if seen.handing))

    @contextmanager
    def under_load(self, fails: bool = False) -> Iterator[None]:
        """Deploy the first version, then keep it under load; in the end there is no failed request."""
        self.deploy(MODEL)
        try:
            yield from self._keep_under_load(fails)
        finally:
            with self.serai.client() as client:
                client.stop_deployment(self.name)

    def _keep_under_load(self, fails: bool) -> Iterator[None]:
        eventually(lambda: self.versions() and len(self.ready(1)) == 2, 60, 0.2)
        eventually(self.answers, 10, 0.1)  # once the gateway knows, too
        self.load = Load(self.serai.gateway, f"/{self.name}/", threads=2, pause_s=0.06, method="POST")
        self.watcher = Watcher(self.serai, [self.name], {(self.name, 2)} if fails else ())
        with self.watcher.watching(), self.load.running():
            self.see_answers("1")
            yield
        told = f"{dict(self.load.answers)} answered, {len(self.load.failures)} failed, {self.watcher.looks} looks"
        print(f"{self.name}: {told}")
        assert self.load.failures == []
        assert self.watcher.wrong == []
        assert self.watcher.looks > 5

    def deploy(self, code: str, start_timeout: str = "60s") -> None:
        manifest = MANIFEST.format(name=self.name, handover=self.handover, gpu=self.gpu, start_timeout=start_timeout)
        with self.serai.client() as client:
            put_folder(client, make_model(self.folder, manifest, code))

    def answers(self) -> bool:
        try:
            return self.serai.get(f"/{self.name}/").startswith("1 ")
        except HTTPError as error:
            error.close()
            return False

    def see_answers(self, version: str, more: int = 25) -> None:
        begun = self.load.answers[version]
        eventually(lambda: self.load.answers[version] > begun + more, 40)

    def await_taken_over(self, count: int = 2) -> None:
        eventually(lambda: self.status()["incumbent"] is None and self.version(2)["ready"] == count, 60, 0.2)

    def status(self) -> dict[str, Any]:
        with self.serai.client() as client:
            return dict(client.get_deployment(self.name))

    def versions(self) -> dict[int, dict[str, Any]]:
        return {each["number"]: each for each in self.status()["versions"]}

    def version(self, number: int) -> dict[str, Any]:
        return self.versions()[number]

    def has_failed(self, number: int) -> bool:
        """Return whether a version is in Error and nothing is left of it."""
        seen = self.versions().get(number, {"state": "", "replicas": []})
        return seen["state"] == "error" and not any(replica["live"] for replica in seen["replicas"])

    def ready(self, number: int) -> set[str]:
        return {replica["id"] for replica in self.version(number)["replicas"] if replica["ready"]}


def overlap_where_all_of_it_fits(trial: Trial) -> None:
    with trial.under_load():
        trial.deploy(SECOND)
        trial.await_taken_over()
        trial.see_answers("2")
    assert trial.handings == ["overlap"]
    together = {seen.ready[1] for seen in trial.story if seen.running == [1] and seen.ready.get(2)}
    assert together <= {2}, "the old version was whole until the new one was"
    assert max(seen.gpus for seen in trial.story) == 4


def roll_where_half_of_it_fits(trial: Trial) -> None:
    with trial.under_load():
        trial.deploy(SECOND)
        trial.await_taken_over()
        trial.see_answers("2")
    assert trial.handings == ["rolling"]
    assert min(sum(seen.ready.values()) for seen in trial.story) >= 2, "at every moment two were ready"
    assert max(seen.gpus for seen in trial.story) == 3


def replace_where_nothing_is_spare(trial: Trial) -> None:
    """Callers are held while nothing is ready."""
    with trial.under_load():
        trial.deploy(SECOND)
        trial.await_taken_over()
        trial.see_answers("2")
    assert trial.handings == ["replace"]
    assert "waiting-for-old" in {seen.codes.get(2) for seen in trial.story}
    assert max(seen.gpus for seen in trial.story) == 2


def wait_where_overlap_does_not_fit(trial: Trial) -> None:
    """Nothing is stopped, and who has the GPUs is said; room made by hand is taken."""
    with trial.under_load():
        old = trial.ready(1)
        trial.deploy(SECOND)
        eventually(lambda: trial.version(2)["reason"]["code"] == "gpu-taken", 10, 0.05)
        assert f"held by {trial.name}-v1 (2)" in trial.version(2)["reason"]["text"]
        time.sleep(3)
        assert (trial.ready(1), trial.version(1)["state"], trial.version(2)["state"]) == (old, "running", "preparing")
        assert set(trial.load.answers) == {"1"}
        with trial.serai.client() as client:
            client.change_deployment(trial.name, {"count": 1})
        trial.await_taken_over(1)
        trial.see_answers("2")
    assert trial.handings == ["overlap"]


def keep_the_old_version_where_stopping_it_would_not_help(trial: Trial) -> None:
    with trial.under_load():
        old = trial.ready(1)
        trial.gpu = f"3 x {trial.gpu}"
        trial.deploy(SECOND)
        eventually(lambda: trial.version(2)["reason"]["code"] == "gpu-missing", 10, 0.05)
        time.sleep(2)
        assert (trial.ready(1), trial.version(1)["state"], trial.version(2)["state"]) == (old, "running", "preparing")
        trial.see_answers("1")
    assert trial.handings == ["overlap"]


def go_back_to_the_old_version(trial: Trial, code: str, reason: str, mode: str) -> None:
    with trial.under_load(fails=True):
        old = trial.ready(1)
        trial.deploy(code, start_timeout="8s" if code == NEVER_LISTENS else "60s")
        eventually(lambda: trial.has_failed(2) and len(trial.ready(1)) == 2, 60, 0.2)
        failed = trial.version(2)["reason"]
        assert failed["code"] == reason, failed["text"]
        assert trial.version(1)["state"] == "running"
        assert mode == "replace" or trial.ready(1) == old, "the old version was touched"
        trial.see_answers("1")
        assert set(trial.load.answers) == {"1"}
        assert trial.version(2)["reason"] == failed, "the failed one keeps its reason"
    assert trial.handings == [mode]


def test_a_new_version_takes_over(serai: NomadInstallation, tmp_path: Path) -> None:
    run_together(
        lambda: overlap_where_all_of_it_fits(Trial(serai, tmp_path / "whole", "L4")),
        lambda: roll_where_half_of_it_fits(Trial(serai, tmp_path / "half", "A100")),
        lambda: replace_where_nothing_is_spare(Trial(serai, tmp_path / "none", "T4")),
        lambda: wait_where_overlap_does_not_fit(Trial(serai, tmp_path / "patient", "V100", "overlap")),
        lambda: keep_the_old_version_where_stopping_it_would_not_help(Trial(serai, tmp_path / "greedy", "K80")),
    )


def test_a_version_that_never_gets_ready_gives_way_to_the_old_one(serai: NomadInstallation, tmp_path: Path) -> None:
    def go_back(name: str, gpu: str, code: str, reason: str, mode: str) -> Callable[[], None]:
        return lambda: go_back_to_the_old_version(Trial(serai, tmp_path / name, gpu), code, reason, mode)

    run_together(
        go_back("crash-beside", "L4", CRASHES, "crash-loop", "overlap"),
        go_back("deaf-beside", "L4", NEVER_LISTENS, "never-listened", "overlap"),
        go_back("crash-by-half", "A30", CRASHES, "crash-loop", "rolling"),
        go_back("crash-instead", "P4", CRASHES, "crash-loop", "replace"),
    )


def run_together(*trials: Callable[[], None]) -> None:
    with ThreadPoolExecutor(len(trials)) as pool:
        for done in [pool.submit(trial) for trial in trials]:
            done.result()
