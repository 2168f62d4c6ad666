"""How a task's process ended: its exit code, in words, and what it means."""

from __future__ import annotations

import signal

from serai_nomad.exit_codes import NO_BUNDLE, NO_COMMAND, NO_ENVIRONMENT
from serai_nomad.reading import number_of, text_of

from .cause import Cause
from .task_states import Event

_HINTS = {
    NO_BUNDLE: "if the log says so, the bundle could not be unpacked",
    NO_ENVIRONMENT: "if the log says so, the installed packages are gone",
    126: "the command exists but cannot be executed",
    NO_COMMAND: "a command was not found",
}
_NO_COMMAND = {126, NO_COMMAND}
_KILLED = 137


def explain_exit(event: Event, subject: str, limit: str, was_ready: bool) -> Cause | None:
    """Return the cause of a Terminated event; None where Nomad does not know how the process ended.

    `limit` is the task's memory limit in words, "" where it is not known. Only the drivers docker and exec tell that
    memory was the reason (exec not always, with cgroup v2: seen with Nomad 2.0.5); with others a SIGKILL from nowhere
    is all that is seen, so it is called a guess.
    """
    code, number = number_of(event.details, "exit_code"), number_of(event.details, "signal")
    own = f"its {limit} of memory" if limit else "the memory it asked for"
    if text_of(event.details, "oom_killed") == "true":
        return Cause("out-of-memory", f"{subject} used more than {own} and was killed", -signal.SIGKILL)
    if number == signal.SIGKILL or (code == _KILLED and number <= 0):
        words = f"{subject} was killed by SIGKILL, probably because it used more than {own}"
        return Cause("killed", words, -signal.SIGKILL)
    if number > 0:
        return Cause("", f"{subject} was killed by {name_signal(number)}", -number)
    if code < 0:
        return None
    words = f"{subject} {_describe(code)}"
    return Cause("command-missing" if code in _NO_COMMAND and not was_ready else "", words, code)


def _describe(code: int) -> str:
    if code == 0:
        return "exited with code 0, but a model has to go on running"
    hint = _HINTS.get(code, "")
    if 128 < code < 160:
        hint = f"a signal, {name_signal(code - 128)}"
    return f"exited with code {code}" + (f" ({hint})" if hint else "")


def name_signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
