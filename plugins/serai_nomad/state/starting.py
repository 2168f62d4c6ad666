"""How far a replica has come whose process does not run yet."""

from __future__ import annotations

import re

from serai.domain.observation import Phase
from serai.domain.reasons import make_reason
from serai_nomad.reading import text_of

from .checks import Verdict
from .rows import Row
from .task_states import Event, Task
from .wording import redact, sentence

# After one of these the task waits for its next try, or for its end.
_SETBACKS = frozenset(
    {
        "Terminated",
        "Restarting",
        "Not Restarting",
        "Restart Signaled",
        "Driver Failure",
        "Failed Artifact Download",
        "Failed Validation",
        "Setup Failure",
        "Task hook failed",
        "Failed Restoring Task",
    }
)
FETCHING = frozenset({"Driver", "Downloading Artifacts"})
_PROGRESS = re.compile(r"Pulled (\d+)/(\d+) \(([^/()]+)/([^/()]+)\) layers")
_MISSING = re.compile(r"Missing: (.+)", re.DOTALL)
_VARIABLE = re.compile(r"nomad\.var\.\w+\(([^@)]+)")


def judge_start(row: Row) -> Verdict | None:
    """Return the verdict on a replica on its way up; None while it waits for its next try."""
    task = row.tasks.current
    newest = task.newest if task else None
    if task is None or newest is None:
        return _placed(row)
    if newest.type in _SETBACKS or newest.fails_task or task.state == "dead":
        return None
    if task.state == "running":
        return _installing() if task is row.tasks.install else Verdict(Phase.LOADING, make_reason("loading"))
    if newest.type in FETCHING:
        return _fetching(task, newest, row.place)
    if newest.type == "Template" and (match := _MISSING.search(newest.message)):
        return _lacks_secret(match[1])
    if row.tasks.install is not None and row.tasks.install.is_over:
        return Verdict(
            Phase.INSTALLING, make_reason("installing", "The packages are installed; the process is started.")
        )
    return _placed(row)


def _placed(row: Row) -> Verdict:
    return Verdict(Phase.PLACED, make_reason("placed", f"It has its place on {row.place} and is about to start."))


def _installing() -> Verdict:
    return Verdict(Phase.INSTALLING, make_reason("installing"))


def _fetching(task: Task, newest: Event, place: str) -> Verdict:
    if newest.type != "Driver":
        return Verdict(Phase.FETCHING, make_reason("fetching", sentence(f"{place} fetches the version's files")))
    named = [text_of(event.details, "image") for event in task.events if event.type == "Driver"]
    image = next((name for name in reversed(named) if name), "")
    words = f"{place} pulls the image {image}" if image else f"{place} pulls the image"
    if match := _PROGRESS.search(newest.message):
        layers, all_layers, size, whole = match.groups()
        words += f": {layers} of {all_layers} layers, {size.strip()} of {whole.strip()}"
    return Verdict(Phase.FETCHING, make_reason("fetching", sentence(words)))


def _lacks_secret(missing: str) -> Verdict:
    paths = list(dict.fromkeys(_VARIABLE.findall(missing)))
    names = ", ".join(paths) if paths else redact(missing)
    return Verdict(
        Phase.PLACED, make_reason("secret-missing", f"It waits for its secrets: there is no variable {names}.")
    )
