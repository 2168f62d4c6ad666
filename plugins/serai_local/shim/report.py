"""What is said about a replica: its phase, and the reason that goes with it, in the light of earlier crashes."""

from __future__ import annotations

from .failure import Failure
from .journal import Journal
from .state import State

Reason = dict[str, object]


class Report:
    """Turns what happens into the state.

    `crashes` counts those since the model was last ready. From the first one until it is ready the reason keeps the
    exit code and the last lines of the newest crash: that is what the user wants to know, whatever goes on since.
    """

    def __init__(self, state: State, journal: Journal, attempts: int) -> None:
        self._state, self._journal, self._attempts = state, journal, attempts
        self._failure: Failure | None = None
        self._log: list[str] = []
        self.crashes = 0

    def enter(self, phase: str, text: str = "") -> None:
        """Say that a phase on the way up has begun, or goes on with another text."""
        self._state.change(phase=phase, reason=self._make_reason(phase, text))

    def fail(self, failure: Failure, pause_s: float) -> None:
        """Say that an attempt has ended and that the next one follows after a pause."""
        self._failure, self._log = failure, list(self._journal.tail)
        self.crashes += failure.is_crash
        self._journal.remark(f"{failure.text} Trying again in {pause_s:g} s.")
        reason = self._make_reason("backing-off", "")
        self._state.change(phase="backing-off", crashes=self.crashes, reason=reason, fatal=failure.fatal)

    def be_ready(self, address: str, took_s: float) -> None:
        """Say that the model is ready; all earlier crashes are forgotten."""
        self.crashes, self._failure, self._log = 0, None, []
        self._journal.remark(f"Ready at {address} after {took_s:.3g} s")
        self._state.change(phase="ready", address=address, crashes=0, reason=None, fatal=False)

    def be_stopping(self) -> None:
        self._state.change(phase="stopping", reason=_make_plain("stopping", ""))

    def be_ended(self, exit_code: int | None) -> None:
        self._state.change(phase="ended", exit_code=exit_code, reason=None)

    def _make_reason(self, phase: str, text: str) -> Reason:
        failure = self._failure
        if failure is None:
            return _make_plain(phase, text)
        words = failure.text
        if phase != "backing-off" and self.crashes < self._attempts:
            words = f"{words} Started again: {text}" if text else f"{words} It is being started again."
        code = "restarting" if failure.code == "crash-loop" else failure.code
        return {"code": code, "text": words, "exit_code": failure.exit_code, "log": self._log}


def _make_plain(code: str, text: str) -> Reason:
    return {"code": code, "text": text, "exit_code": None, "log": []}
