"""Why a replica's newest try failed: the newest event of its tasks that is a cause and no consequence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from serai.domain.reasons import describe_exit
from serai_nomad.agent.agent_errors import clean_text
from serai_nomad.names import INSTALL, TASK
from serai_nomad.reading import number_of, text_of

from .cause import Cause
from .driver_errors import explain_driver_error
from .exits import explain_exit
from .task_states import Event, Task, Tasks
from .wording import plain, redact

# What only a server says, by its answer or by what it sent.
_SERVED = re.compile(r"checksums did not match|response code: 4\d\d", re.IGNORECASE)
_UNRESERVED = re.compile(r"failed to reserve device (.+?): (.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a cause's sentence names. `limits` are the tasks' memory limits in words, by name."""

    node: str
    limits: dict[str, str]
    was_ready: bool = False


def find_cause(tasks: Tasks, around: Surroundings) -> Cause | None:
    """Return the newest cause among all tasks: where one task's end takes the others along, only it has a cause."""
    found = [(at, cause) for task in tasks.all for at, cause in _causes(task, task is tasks.main, around)]
    return max(found, key=lambda each: each[0])[1] if found else None


def _causes(task: Task, is_main: bool, around: Surroundings) -> Iterator[tuple[datetime, Cause]]:
    """Yield the causes that a task's events tell of, the newest first."""
    for place in range(len(task.events) - 1, -1, -1):
        event, life = task.events[place], _life(task.events[:place])
        if event.type != "Terminated":
            cause = _explain(event, life, around)
        else:
            cause = _explain_end(event, life, task, around) if is_main or not _is_success(event) else None
        if cause is not None:
            yield event.at, cause


def _life(events: tuple[Event, ...]) -> dict[str, Event]:
    """Return the newest event of each type since the task was last started."""
    found: dict[str, Event] = {}
    for event in reversed(events):
        if event.type in {"Started", "Restarting"}:
            break
        found.setdefault(event.type, event)
    return found


def _is_success(event: Event) -> bool:
    """Tell whether a task that is not the model did what it was to do."""
    return number_of(event.details, "exit_code") == 0 and number_of(event.details, "signal") == 0


def _explain(event: Event, life: dict[str, Event], around: Surroundings) -> Cause | None:
    match event.type:
        case "Restart Signaled":
            return _explain_signal(event)
        case "Driver Failure":
            return explain_driver_error(text_of(event.details, "driver_error") or event.message, around.node)
        case "Failed Artifact Download":
            return _explain_download(_download_error(event), around.node)
        case "Failed Validation":
            why = redact(clean_text(event.message)).rstrip(".")
            return Cause("scheduler-error", f"Nomad refuses the task: {why}", fatal=True)
        case "Killing" if event.fails_task:  # by the node itself: a template that cannot be filled in
            return _explain_setup(event.message, around.node)
        case "Setup Failure" | "Task hook failed":
            return _explain_setup(event.message, around.node)
        case "Failed Restoring Task" if not life.keys() & {"Setup Failure", "Task hook failed"}:
            return Cause("setup-failed", f"{around.node} was restarted and could not take the process up again")
    return None


def _explain_end(event: Event, life: dict[str, Event], task: Task, around: Surroundings) -> Cause | None:
    if "Killing" in life:
        return None  # it was told to end; what it answered is no crash, whatever the code
    if signaled := life.get("Restart Signaled"):
        return _explain_signal(signaled)
    cause = explain_exit(event, _subject(task), around.limits.get(task.name, ""), around.was_ready)
    if cause is None and life.keys() & {"Setup Failure", "Task hook failed"}:
        return None
    if cause is None:
        return Cause("", f"{_subject(task)} ended, and {around.node} could not tell how")
    if task.name == INSTALL and cause.exit_code is not None and cause.code not in {"out-of-memory", "killed"}:
        words = f"installing requirements.txt failed with {describe_exit(cause.exit_code)}"
        return Cause("install-failed", words, cause.exit_code)
    return cause


def _subject(task: Task) -> str:
    if task.name == INSTALL:
        return "the installation"
    return "the process" if task.name == TASK else f"the process of the task {task.name}"


def _explain_signal(event: Event) -> Cause | None:
    """A restart because of a failing check is a failure; one that a person or a template asked for is none."""
    reason = text_of(event.details, "restart_reason")
    if not reason.startswith("healthcheck:"):
        return None
    return Cause("check-failed", f"the process was ended because its health check failed ({reason[12:].strip()})")


def _explain_download(message: str, node: str) -> Cause:
    if "checksums did not match" in message.lower():
        return Cause("bundle-broken", f"the files that {node} fetched are not those of the version")
    return Cause("artifact-failed", f"{node} could not fetch the version's files: {plain(message)}")


def _download_error(event: Event) -> str:
    return text_of(event.details, "download_error") or event.message


def _explain_setup(message: str, node: str) -> Cause:
    """Nomad offers the devices of a plugin that has died, and finds out when it is to hand one out."""
    if match := _UNRESERVED.search(message):
        device, why = match.groups()
        words = f"the device plugin on {node} does not hand out the {device} that Nomad counts as free: {plain(why)}"
        return Cause("gpu-unhealthy", words)
    return Cause("setup-failed", f"{node} could not set the replica up: {_hook(message)}")


def _hook(message: str) -> str:
    """Return what a hook said, without what Nomad wraps around it."""
    return redact(message.removeprefix("failed to setup alloc: ").replace("rpc error: ", ""))


def asked_restarts(tasks: Tasks, since: datetime) -> int:
    """Return how many of the visible restarts since an instant somebody asked for: they are no crashes."""
    signals = [event for task in tasks.all for event in task.events if event.type == "Restart Signaled"]
    return sum(event.at > since and _explain_signal(event) is None for event in signals)


def unserved_tries(tasks: Tasks, served_since: datetime) -> int:
    """Return how many tries ended because there was no server yet to fetch the bundle from: they are no crashes."""
    downloads = [event for task in tasks.all for event in task.events if event.type == "Failed Artifact Download"]
    return sum(event.at < served_since and not _SERVED.search(_download_error(event)) for event in downloads)


def restarting_of(task: Task) -> Event | None:
    """Return the newest Restarting event if nothing has happened since but what belongs to the same end."""
    return task.newest if task.newest and task.newest.type == "Restarting" else None
