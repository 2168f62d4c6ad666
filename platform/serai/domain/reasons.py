"""Why a version is what it is: a stable code, one sentence, and what would help."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Reason:
    """`code` is stable and listed in CATALOGUE, `text` one sentence about this case, `help` what would help.

    `log` holds the last lines of the replica it speaks of, `exit_code` its exit code (negative: a signal).
    `funnel`: for a replica without a place, how many machines are left after each thing it asks for.
    """

    code: str
    text: str
    help: str = ""
    log: tuple[str, ...] = field(default=())
    exit_code: int | None = None
    funnel: tuple[tuple[str, int], ...] = ()


# code -> (when it is said, what would help). docs/reference/reasons.md is generated from this table.
CATALOGUE: dict[str, tuple[str, str]] = {
    # waiting for a place
    "scheduling": (
        "The scheduler has not answered yet where the replica goes.",
        "Wait a moment.",
    ),
    "port-taken": (
        "The version insists on a port that something else uses.",
        "Stop the other program, or let the model listen on $PORT.",
    ),
    "gpu-missing": (
        "No machine has GPUs of this kind.",
        "Ask for another model, less memory or fewer GPUs.",
    ),
    "gpu-taken": (
        "There are such GPUs, but they are in use.",
        "Wait, stop another deployment, or ask for fewer.",
    ),
    "too-large": (
        "The version asks for more CPU or memory than any machine has.",
        "Ask for less.",
    ),
    "no-capacity": (
        "There is not enough CPU or memory free right now.",
        "Wait, or stop another deployment.",
    ),
    "gpu-unhealthy": (
        "There are such GPUs, but too many of them are unhealthy.",
        "Repair the device or its plugin on the node; the version starts when it is healthy again.",
    ),
    "no-node": (
        "No machine that could run it is up and accepts work.",
        "Start a machine, end its drain, or change `placement`.",
    ),
    "no-match": (
        "No machine meets the version's constraints.",
        "Change `placement`, or the machines' class or meta data.",
    ),
    "driver-missing": (
        "No machine that could run it has the driver it needs, such as docker.",
        "Install or repair the driver on a machine.",
    ),
    "volume-missing": (
        "No machine that could run it has the volume that `mounts` names.",
        "Add the volume to a machine, or correct `mounts`.",
    ),
    "rescheduling": (
        "A replica is lost or ended, and another one is started elsewhere after a pause.",
        "See why it was lost; the pause grows with each try.",
    ),
    "waiting-for-old": (
        "The old version is being stopped first (handover: replace).",
        "Wait for the old version's drain time.",
    ),
    # on the way
    "placed": (
        "A replica has its place and is about to start.",
        "",
    ),
    "fetching": (
        "The bundle is being unpacked or the image pulled.",
        "",
    ),
    "installing": (
        "The packages of requirements.txt are being installed.",
        "Follow the log; the environment is cached for the next start.",
    ),
    "secret-missing": (
        "The replica waits for secrets that the cluster does not hand out.",
        "Set the secrets again, and check that the version's variable exists.",
    ),
    "loading": (
        "The process runs but does not listen yet.",
        "Follow the log. If it listens on a port of its own, set `port`.",
    ),
    "checking": (
        "The port accepts connections but the health check does not pass yet.",
        "See what the check answered.",
    ),
    "restarting": (
        "A replica ended and will be started again after a pause.",
        "See the last log lines.",
    ),
    "stopping": (
        "Replicas finish their requests and end.",
        "",
    ),
    "node-drained": (
        "The replica's node is being drained; another node takes over.",
        "Wait; with one replica there is a gap until the new one is ready.",
    ),
    "preempted": (
        "The replica gave way to a job of a higher priority.",
        "Wait for a place, or raise the priority.",
    ),
    "node-unreachable": (
        "The replica's node cannot be reached; whether it still serves is not known.",
        "Check the node and its network; the replica counts again as soon as its node is back.",
    ),
    "node-lost": (
        "The replica's node is down; the process may still run there.",
        "Check the node; a replacement is placed on another one where there is room.",
    ),
    "not-needed": (
        "The replica was stopped because fewer are wanted, or others have taken its place.",
        "",
    ),
    # Running, with something to say
    "partly-ready": (
        "Some replicas are not ready.",
        "See the replicas.",
    ),
    "handing-over": (
        "A newer version is being made ready; this one serves until then.",
        "",
    ),
    "taking-over": (
        "All replicas are ready; new requests are about to come here.",
        "",
    ),
    "idle": (
        "The deployment is scaled to zero replicas.",
        "Scale it up to use it.",
    ),
    # gave up
    "bundle-missing": (
        "The version's bundle is not in the store.",
        "Deploy the folder again.",
    ),
    "bundle-broken": (
        "The bundle cannot be unpacked, or what was fetched is not it.",
        "Deploy the folder again.",
    ),
    "install-failed": (
        "Installing requirements.txt failed.",
        "See the log, correct requirements.txt and deploy again.",
    ),
    "command-missing": (
        "The command does not exist or cannot be executed.",
        "Check `command`, or add an executable start.sh.",
    ),
    "crash-loop": (
        "The process ended again and again before it was ever ready.",
        "See the exit code and the last log lines.",
    ),
    "out-of-memory": (
        "The replica used more memory than it asked for.",
        "Raise resources.memory, or use less.",
    ),
    "killed": (
        "The process was killed from outside, probably because it used more memory than it asked for.",
        "Raise resources.memory if it needs more; else find out who killed it.",
    ),
    "image-missing": (
        "The image cannot be pulled: it does not exist, or its registry cannot be reached or refuses.",
        "Check the image's name, and that the nodes reach the registry and may pull from it.",
    ),
    "image-timeout": (
        "The image was not pulled in time.",
        "Check the registry and the network, use a smaller image, or raise image_pull_timeout.",
    ),
    "artifact-failed": (
        "The node could not fetch the version's files.",
        "Check that the nodes reach this server (`bundle_url`) and what it answers.",
    ),
    "setup-failed": (
        "The node could not set the replica up.",
        "See the sentence; check the node.",
    ),
    "never-listened": (
        "Nothing listened on the version's port within start_timeout.",
        "Listen on $PORT, or set `port`, or raise start_timeout.",
    ),
    "check-failed": (
        "The health check did not pass within start_timeout.",
        "See what the check answered; correct `health` or raise start_timeout.",
    ),
    "start-timeout": (
        "The version was not ready within start_timeout.",
        "See the log, or raise start_timeout.",
    ),
    "queue-timeout": (
        "No place was found within queue_timeout.",
        "Ask for less, or raise queue_timeout.",
    ),
    "disk-full": (
        "The machine's disk is full.",
        "Free space on the data directory's disk.",
    ),
    "not-supported": (
        "This scheduler cannot run what the version asks for.",
        "Use another scheduler, or change the manifest.",
    ),
    "scheduler-error": (
        "The scheduler refused the version.",
        "See the sentence.",
    ),
    "failed-replica": (
        "A replica ended and will not be started again.",
        "See the exit code and the last log lines.",
    ),
    "gave-up": (
        "The scheduler gave up and has nothing more planned.",
        "See the sentence, then start the version again.",
    ),
    # doubt
    "statistics-missing": (
        "The replica's machine does not publish what replicas use.",
        "Set telemetry { publish_allocation_metrics = true } in its Nomad agent's configuration, and restart that.",
    ),
    "stale": (
        "The scheduler cannot be reached; this is what it last said.",
        "Check the scheduler; Serai goes on by itself when it answers.",
    ),
    "permission-denied": (
        "The scheduler does not let Serai observe it; this is what it last said.",
        "Give Serai's token the rights of the plugin's policy (docs/howto/operate-nomad.md).",
    ),
    "not-observed": (
        "The scheduler has not been seen since the server's start.",
        "Check the scheduler.",
    ),
}


def make_reason(
    code: str, text: str = "", help: str = "", log: tuple[str, ...] = (), exit_code: int | None = None
) -> Reason:
    """Return a Reason whose missing sentence and help come from the catalogue. KeyError for an unknown code."""
    known_text, known_help = CATALOGUE[code]
    return Reason(code, text or known_text, help or known_help, log, exit_code)


def describe_exit(exit_code: int) -> str:
    """Return `exit code 3`, or the signal of a negative one: `SIGKILL`."""
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"signal {-exit_code}"
