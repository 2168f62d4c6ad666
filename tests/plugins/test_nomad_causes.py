"""Why a replica's newest try failed: sentences, codes and exit codes from the events of its tasks."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from serai_nomad.state.causes import Surroundings, find_cause
from serai_nomad.state.task_states import read_tasks
from tests.plugins.nomad_stubs import Json, event, restarting, stub, task, terminated

AROUND = Surroundings("node n1", {"server": "512 MiB", "install": "256 MiB"})
PULL = "Failed to pull `reg.example/m:1`: Error response from daemon: "


def driver_failure(error: str) -> Json:
    return event("Driver Failure", 2, error, driver_error=error)


def download_failure(error: str) -> Json:
    return event("Failed Artifact Download", 2, error, download_error=error)


@dataclass(frozen=True, slots=True)
class Case:
    """Events of the model's task, the newest last, and what is said of them. `code` is "" for a plain crash."""

    name: str
    events: tuple[Json, ...]
    code: str
    clause: str
    exit_code: int | None = None
    fatal: bool = False


CASES = (
    Case("exit", (terminated(3),), "", "the process exited with code 3", 3),
    Case("exit 0", (terminated(0),), "", "the process exited with code 0, but a model has to go on running", 0),
    Case("signal", (terminated(139, 11),), "", "the process was killed by SIGSEGV", -11),
    Case("shell's signal", (terminated(139),), "", "the process exited with code 139 (a signal, SIGSEGV)", 139),
    Case("a signal without a name", (terminated(200, 99),), "", "the process was killed by signal 99", -99),
    Case(
        "exit 127",
        (terminated(127),),
        "command-missing",
        "the process exited with code 127 (a command was not found)",
        127,
    ),
    Case(
        "exit 126",
        (terminated(126),),
        "command-missing",
        "the process exited with code 126 (the command exists but cannot be executed)",
        126,
    ),
    Case(
        "memory",
        (terminated(137, oom=True),),
        "out-of-memory",
        "the process used more than its 512 MiB of memory and was killed",
        -9,
    ),
    Case(
        "killed, and docker does not say why",
        (terminated(137),),
        "killed",
        "the process was killed by SIGKILL, probably because it used more than its 512 MiB of memory",
        -9,
    ),
    Case("no exit code", (terminated(-1),), "", "the process ended, and node n1 could not tell how"),
    Case(
        "a check's restart, before the process has ended",
        (event("Restart Signaled", 2, restart_reason='healthcheck: check "ready" unhealthy'),),
        "check-failed",
        'the process was ended because its health check failed (check "ready" unhealthy)',
    ),
    Case(
        "a check's restart explains the end that it brings",
        (event("Restart Signaled", 2, restart_reason='healthcheck: check "ready" unhealthy'), terminated(130, 2, 3)),
        "check-failed",
        'the process was ended because its health check failed (check "ready" unhealthy)',
    ),
    Case(
        "the newest of several",
        (terminated(1, at=1), restarting(2), event("Started", 3), terminated(2, at=4)),
        "",
        "the process exited with code 2",
        2,
    ),
    Case(
        "told to end after an earlier crash",
        (terminated(1, at=1), restarting(2), event("Started", 3), event("Killing", 4), terminated(143, 15, 5)),
        "",
        "the process exited with code 1",
        1,
    ),
    Case(
        "rights",
        (driver_failure('OCI runtime create failed: exec: "/run": permission denied: unknown'),),
        "command-missing",
        "the command /run does not exist on node n1 or cannot be executed",
    ),
    Case(
        "no such entrypoint",
        (driver_failure('failed to start: exec: "serve": executable file not found in $PATH: unknown'),),
        "command-missing",
        "the command serve does not exist on node n1 or cannot be executed",
    ),
    Case(
        "no such image",
        (driver_failure(PULL + "manifest for reg.example/m:1 not found: manifest unknown: manifest unknown"),),
        "image-missing",
        "the image reg.example/m:1 cannot be pulled on node n1: "
        "manifest for reg.example/m:1 not found: manifest unknown: manifest unknown",
        fatal=True,
    ),
    Case(
        "registry refuses",
        (driver_failure(PULL + 'Get "https://reg.example/v2/": unauthorized: authentication required'),),
        "image-missing",
        "the image reg.example/m:1 cannot be pulled on node n1: unauthorized: authentication required",
    ),
    Case(
        "registry silent",
        (driver_failure(PULL + 'Get "https://reg.example/v2/": dial tcp 10.0.0.1:443: i/o timeout'),),
        "image-missing",
        "the image reg.example/m:1 cannot be pulled on node n1: 10.0.0.1:443 does not answer",
    ),
    Case(
        "no runtime for GPUs",
        (driver_failure('requested docker runtime "nvidia" was not found'),),
        "driver-missing",
        "docker on node n1 lacks the runtime nvidia",
    ),
    Case(
        "disk",
        (driver_failure("write /alloc/x: no space left on device"),),
        "disk-full",
        "the disk of node n1 is full",
    ),
    Case(
        "configuration",
        (driver_failure("failed to decode task config: unknown key imag"),),
        "scheduler-error",
        "the driver refuses the job's configuration: failed to decode task config: unknown key imag",
        fatal=True,
    ),
    Case(
        "something new",
        (driver_failure("rpc error: code = Unknown desc = the moon is in the way."),),
        "setup-failed",
        "node n1 could not start the process: the moon is in the way",
    ),
    Case(
        "validation",
        (event("Failed Validation", 2, "Validation of task failed: no driver"),),
        "scheduler-error",
        "Nomad refuses the task: Validation of task failed: no driver",
        fatal=True,
    ),
    Case(
        "another bundle",
        (download_failure('failed to download artifact "http://s/b": Checksums did not match. Expected: a Got: b'),),
        "bundle-broken",
        "the files that node n1 fetched are not those of the version",
    ),
    Case(
        "refused bundle",
        (download_failure('failed to download artifact "http://s/b?token=secret": bad response code: 403'),),
        "artifact-failed",
        "node n1 could not fetch the version's files: the answer was 403",
    ),
    Case(
        "an address with a token",
        (download_failure("cannot open http://user:word@s/b?token=secret and so on"),),
        "artifact-failed",
        "node n1 could not fetch the version's files: cannot open http://s/b and so on",
    ),
    Case(
        "restart of the agent",
        (event("Failed Restoring Task", 2, "failed to restore task; will not run until server is contacted"),),
        "setup-failed",
        "node n1 was restarted and could not take the process up again",
    ),
    Case(
        "volume",
        (event("Task hook failed", 2, "volume_hook: mount failed: rpc error: no such volume"),),
        "setup-failed",
        "node n1 could not set the replica up: volume_hook: mount failed: no such volume",
    ),
    Case(
        "a template that cannot be filled in",
        (event("Killing", 2, "Template failed: (dynamic): parse: no such function", fails_task="true"),),
        "setup-failed",
        "node n1 could not set the replica up: Template failed: (dynamic): parse: no such function",
    ),
    Case(
        "a device plugin that has died",
        (
            event(
                "Task hook failed", 2, "devices: failed to reserve device nvidia/gpu/T4: failed to start plugin: gone"
            ),
        ),
        "gpu-unhealthy",
        "the device plugin on node n1 does not hand out the nvidia/gpu/T4 that Nomad counts as free:"
        " failed to start plugin: gone",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_cause(case: Case) -> None:
    cause = find_cause(read_tasks(stub(server=task("dead", event("Started", 0.5), *case.events))), AROUND)
    assert cause is not None
    assert (cause.code, cause.clause, cause.exit_code, cause.fatal) == (
        case.code,
        case.clause,
        case.exit_code,
        case.fatal,
    )


@pytest.mark.parametrize(
    "events",
    [
        (),
        (event("Started"),),
        (event("Killing", 2), terminated(137, 9, 3)),
        (event("Restart Signaled", 2, restart_reason="User requested task to restart"), terminated(130, 2, 3)),
        (event("Alloc Unhealthy", 2, "Unhealthy because of failed task"),),
        (event("Not Restarting", 2, restart_reason="Policy allows no restarts"),),
        (event("Sibling Task Failed", 2), event("Killing", 3), terminated(137, 9, 4)),
    ],
)
def test_no_cause(events: tuple[Json, ...]) -> None:
    assert find_cause(read_tasks(stub(server=task("dead", *events))), AROUND) is None


def test_an_installation_that_fails_is_the_cause() -> None:
    install = task("dead", event("Started", 1), terminated(1, at=2), failed=True)
    server = task("dead", event("Received", 1), event("Sibling Task Failed", 3), event("Killing", 3))
    cause = find_cause(read_tasks(stub(install=install, server=server)), AROUND)
    assert cause is not None
    assert (cause.code, cause.clause, cause.exit_code) == (
        "install-failed",
        "installing requirements.txt failed with exit code 1",
        1,
    )


def test_an_installation_that_runs_out_of_memory_says_so() -> None:
    install = task("dead", event("Started", 1), terminated(137, 9, 2, oom=True), failed=True)
    cause = find_cause(read_tasks(stub(install=install)), AROUND)
    assert cause is not None
    assert cause.code == "out-of-memory"
    assert "the installation used more than its 256 MiB" in cause.clause


def test_a_task_beside_the_model_is_named() -> None:
    proxy = task("dead", event("Started", 1), terminated(2, at=2), failed=True)
    server = task(
        "dead", event("Started", 1), event("Sibling Task Failed", 3), event("Killing", 3), terminated(0, at=4)
    )
    cause = find_cause(read_tasks(stub(proxy=proxy, server=server)), AROUND)
    assert cause is not None
    assert cause.clause == "the process of the task proxy exited with code 2"


def test_an_installation_that_ended_well_is_no_cause() -> None:
    install = task("dead", event("Started", 1), terminated(0, at=2))
    assert find_cause(read_tasks(stub(install=install, server=task())), AROUND) is None


def test_a_command_that_was_there_before_is_not_missing() -> None:
    tasks = read_tasks(stub(server=task("dead", event("Started", 0.5), terminated(127))))
    cause = find_cause(tasks, Surroundings("node n1", {}, was_ready=True))
    assert cause is not None
    assert cause.code == ""
