"""Why an attempt to run the model ended: the words for exit codes and signals."""

from __future__ import annotations

import os
import signal

_HINTS = {
    126: "the command exists but cannot be executed",
    127: "a command was not found",
}


class Failure(Exception):
    """An attempt has ended. `fatal`: the next one would end the same way. `is_crash`: it counts against the model."""

    def __init__(
        self, code: str, text: str, exit_code: int | None = None, fatal: bool = False, is_crash: bool = True
    ) -> None:
        super().__init__(text)
        self.code, self.text, self.exit_code, self.fatal, self.is_crash = code, text, exit_code, fatal, is_crash


def exit_code_of(status: int) -> int:
    """Return the exit code of a wait status; a signal as its negative number."""
    return os.waitstatus_to_exitcode(status)


def describe_exit(code: int) -> str:
    """Return `exited with code 3` or `was killed by SIGSEGV`, with the meaning of the shell's own codes."""
    if code < 0:
        return f"was killed by {signal_name(-code)}"
    hint = _HINTS.get(code, "")
    if 128 < code < 160:
        hint = f"a signal, {signal_name(code - 128)}"
    return f"exited with code {code}" + (f" ({hint})" if hint else "")


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def failure_of_exit(code: int, had_companions: bool, was_ready: bool) -> Failure:
    """Return the failure of a model that ended by itself."""
    text = f"The process {describe_exit(code)}."
    if code == 0 and had_companions:
        text = (
            "The command exited with code 0 and left processes in the background, which were ended:"
            " a model has to stay in the foreground (try `exec`)."
        )
    return Failure("command-missing" if code in _HINTS and not was_ready else "crash-loop", text, code)
