"""The parts of `serai dev` that need no Nomad: files, ports, folder, leash, and why it cannot start."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from serai.domain.errors import Conflict, Invalid, SeraiError
from serai_dev.access import write_secret
from serai_dev.binary import parse_version
from serai_dev.calls import Refused, retry
from serai_dev.command import dev
from serai_dev.folder import Folder, hold_folder, wipe
from serai_dev.hcl import Node, Ports, Role, make_node_file
from serai_dev.leftovers import MARK, PART_MARK, end_leftovers
from serai_dev.ports import TaskPorts, Wish, keep_port
from serai_dev.serai_part import clean_environment, example_folder, write_settings
from tests.waiting import eventually

CLIENT = """# Written by Serai; changes here are lost.
name = "client-1"
data_dir = "/d"
bind_addr = "127.0.0.1"
ports {
  http = 1
  rpc = 2
  serf = 3
}
advertise {
  http = "127.0.0.1:1"
  rpc = "127.0.0.1:2"
  serf = "127.0.0.1:3"
}
client {
  network_interface = "lo"
  node_pool = "gpu"
  server_join {
    retry_join = ["127.0.0.1:4647"]
    retry_interval = "1s"
  }
  min_dynamic_port = 20001
  max_dynamic_port = 20099
}
plugin_dir = "/p"
plugin "serai-gpu" {
  config {
    mode = "simulated"
    models = ["T4:2"]
    node = "client-1"
    control = "/c/$${x}"
  }
}
"""


def test_the_file_of_a_client() -> None:
    node = Node(
        Role.CLIENT,
        "client-1",
        Path("/d"),
        ports=Ports(1, 2, 3),
        servers=("127.0.0.1:4647",),
        pool="gpu",
        dynamic=(20001, 20099),
        plugin_dir=Path("/p"),
        gpus="T4:2",
        control=Path("/c/${x}"),
    )
    assert make_node_file(node) == CLIENT


@pytest.mark.parametrize(
    ("text", "version"),
    [("Nomad v2.0.5\nBuildDate x", (2, 0, 5)), ("Nomad v1.10.0-beta.1", (1, 10, 0)), ("nomad: error", ()), ("", ())],
)
def test_versions(text: str, version: tuple[int, ...]) -> None:
    assert parse_version(text) == version


# before anything starts


def start(folder: Path, *options: str, path: str) -> Any:
    return CliRunner().invoke(dev, ["--dir", str(folder / "dev"), *options], env={"PATH": path})


def test_without_nomad_it_says_where_to_get_one(tmp_path: Path) -> None:
    result = start(tmp_path, path=str(tmp_path))
    assert isinstance(result.exception, SeraiError)
    assert "no `nomad` on PATH" in result.exception.message
    assert "developer.hashicorp.com/nomad/install" in result.exception.message
    assert not (tmp_path / "dev").exists()


@pytest.mark.parametrize(
    ("says", "message"), [("Nomad v1.6.5", "is Nomad 1.6.5; Serai needs 1.10 or newer"), ("what?", "does not say")]
)
def test_another_program_or_an_old_one_is_refused(tmp_path: Path, says: str, message: str) -> None:
    nomad = tmp_path / "nomad"
    nomad.write_text(f"#!/bin/sh\necho '{says}'\n")
    nomad.chmod(0o755)
    result = start(tmp_path, path=f"{tmp_path}:{os.environ['PATH']}")
    assert isinstance(result.exception, SeraiError)
    assert message in result.exception.message


def test_gpus_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    result = start(tmp_path, "--gpus", "Mine:2", path="")
    assert isinstance(result.exception, Invalid)
    assert "--gpus: the memory of 'Mine' is not known" in result.exception.message


# the folder


def test_one_at_a_time_and_no_foreign_folder(tmp_path: Path) -> None:
    with (
        hold_folder(tmp_path / "dev"),
        pytest.raises(Conflict, match=r"runs on .* already"),
        hold_folder(tmp_path / "dev"),
    ):
        pass
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(Invalid, match="is not empty and no folder of `serai dev`"), hold_folder(tmp_path / "mine"):
        pass


def test_a_wiped_folder_is_empty_but_for_its_lock(tmp_path: Path) -> None:
    with hold_folder(tmp_path / "dev") as folder:
        folder.make()
        folder.save_state({"port": 1})
        (folder.root / "link").symlink_to(tmp_path)
        assert folder.load_state() == {"port": 1}
        wipe(folder)
        assert [path.name for path in folder.root.iterdir()] == ["dev.lock"]
        assert tmp_path.exists()
    with hold_folder(tmp_path / "dev") as folder:
        assert folder.load_state() == {}


def test_a_broken_state_is_told(tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_text("{")
    with pytest.raises(SeraiError, match="--reset"):
        Folder(tmp_path).load_state()


def test_a_secret_is_never_readable_to_others(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_secret(tmp_path / "token", "s")
        write_secret(tmp_path / "token", "t")
    finally:
        os.umask(before)
    assert (tmp_path / "token").read_text() == "t\n"
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600


def test_serai_is_told_of_the_cluster_and_of_no_secret(tmp_path: Path) -> None:
    from serai.config import load_configuration
    from serai_dev.access import Access

    folder, access = Folder(tmp_path), Access(tmp_path / "m.token", tmp_path / "s.token")
    access.serai.write_text("secret-token")
    write_settings(folder, "http://127.0.0.1:4646", access)
    configuration = load_configuration(folder.settings, {})
    assert (configuration.plugins, configuration.scheduler, configuration.data) == (
        ("nomad", "apikey"),
        "nomad",
        folder.data,
    )
    nomad = configuration.plugin_settings["nomad"]
    assert nomad["token_file"] == str(access.serai)
    assert "secret-token" not in folder.settings.read_text()
    from serai_nomad.settings import load_settings

    assert load_settings(nomad, {}).namespace == "serai"


def test_settings_of_another_serai_or_nomad_do_not_leak_in() -> None:
    environ = {"PATH": "p", "SERAI_PLUGINS": "x", "NOMAD_TOKEN": "t", "NOMAD_ADDR": "a"}
    assert clean_environment(environ) == {"PATH": "p"}


def test_the_example_is_in_the_checkout() -> None:
    folder = example_folder()
    assert folder
    assert "gpu: {count: 1}" in (folder / "serai.yaml").read_text()


# ports


def test_a_port_is_kept_for_good() -> None:
    state: dict[str, Any] = {}
    port = keep_port(state, "port", Wish("--port", 8080, 0))
    assert keep_port(state, "port", Wish("--port", 8080, None)) == port
    assert keep_port(state, "port", Wish("--port", 8080, 0)) == port
    with pytest.raises(Conflict, match=f"has port {port} for good"):
        keep_port(state, "port", Wish("--port", 8080, port - 1))


def test_a_port_in_use_is_named_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Conflict, match=f"port {port} on 127.0.0.1 is in use; choose another with --port N"):
            keep_port({}, "port", Wish("--port", 8080, port))
        with pytest.raises(Conflict, match="end that program"):
            keep_port({"port": port}, "port", Wish("--port", 8080, None))


def test_ranges_of_task_ports_are_disjoint_among_clusters() -> None:
    one, two = TaskPorts(), TaskPorts()
    try:
        ranges = sorted([one.take(), two.take(), one.take()])
    finally:
        one.close()
        two.close()
    assert all(before[1] < after[0] for before, after in itertools.pairwise(ranges))


# waiting and ending


def test_waiting_ends_with_the_last_trouble_but_not_for_a_start() -> None:
    answers: Iterator[Any] = iter([ConnectionRefusedError(111, "Connection refused"), Refused("no leader", 500), "yes"])

    def ask() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    assert retry("it", ask, every_s=0) == "yes"
    with pytest.raises(SeraiError, match=r"it took longer than 0 s \(no answer yet\)"):
        retry("it", lambda: None, timeout_s=0.0)
    answers = iter([Refused("denied", 403)])
    with pytest.raises(Refused, match="denied"):
        retry("it", ask)


class Leashed:
    """A program on a leash, and the ends of the pipes it watches."""

    def __init__(self, program: str, hold: int = -1, grace_s: float = 30, **env: str) -> None:
        self.watch, self.end = os.pipe()
        words = [sys.executable, "-m", "serai_dev.leash", self.watch, hold, int(signal.SIGINT), grace_s]
        command = [*map(str, words), sys.executable, "-c", program]
        fds = [descriptor for descriptor in (self.watch, hold) if descriptor >= 0]
        environ = os.environ | env
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pass_fds=fds, env=environ)
        assert self.process.stdout
        assert self.process.stdout.readline() == "there\n"
        (self.program,) = psutil.Process(self.process.pid).children()

    def close(self) -> None:
        for descriptor in {self.watch, self.end}:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self.process.wait(10)
        assert self.process.stdout
        self.process.stdout.close()


WAITS = "import time; print('there', flush=True); time.sleep(600)"
STUBBORN = """
import signal, time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
print('there', flush=True)
time.sleep(600)
"""


def test_a_program_on_a_leash_ends_with_who_holds_it() -> None:
    leashed = Leashed(WAITS)
    os.close(leashed.end)
    assert leashed.process.wait(10) == 128 + signal.SIGINT
    assert not leashed.program.is_running()
    leashed.close()


def test_one_that_ignores_it_is_killed_in_time_or_when_asked_again() -> None:
    slow = Leashed(STUBBORN, grace_s=0.3)
    slow.process.terminate()
    assert slow.process.wait(10) == 128 + signal.SIGKILL
    slow.close()
    hurried = Leashed(STUBBORN)
    hurried.process.terminate()
    time.sleep(0.3)
    assert hurried.process.poll() is None
    hurried.process.terminate()
    assert hurried.process.wait(10) == 128 + signal.SIGKILL
    hurried.close()


def test_the_server_ends_after_the_clients() -> None:
    server = Leashed(WAITS)
    client = Leashed(STUBBORN, hold=server.end, grace_s=1.0)
    os.close(server.end)
    os.close(client.end)
    time.sleep(0.5)
    assert server.program.is_running(), "the client's leash holds it"
    client.process.wait(10)
    server.process.wait(10)
    client.close()
    server.close()


def test_leftovers_are_known_by_their_mark(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WAITS]
    with (
        subprocess.Popen(command, env=os.environ | {MARK: str(tmp_path)}, stdout=subprocess.PIPE) as mine,
        subprocess.Popen(command, env=os.environ | {MARK: "/other"}, stdout=subprocess.PIPE) as other,
    ):
        for process in (mine, other):
            assert process.stdout
            process.stdout.readline()
        assert end_leftovers(tmp_path) == 1
        eventually(lambda: mine.poll() is not None)
        assert other.poll() is None
        other.kill()


LEAVES_A_TASK = """
import subprocess, sys, time
task = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("there", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("is_asked", [True, False])
def test_tasks_end_with_an_agent_that_was_to_end_and_outlive_one_that_crashed(tmp_path: Path, is_asked: bool) -> None:
    marks = {MARK: str(tmp_path), PART_MARK: "client-1"}
    leashed = Leashed(LEAVES_A_TASK, **marks)
    (task,) = leashed.program.children()
    leashed.process.terminate() if is_asked else leashed.program.kill()
    leashed.process.wait(20)
    assert task.is_running() != is_asked
    leashed.close()
    assert end_leftovers(tmp_path) == (0 if is_asked else 1)
