"""Why a replica ended, or cannot start, as a value."""

from __future__ import annotations

from dataclasses import dataclass

from serai.domain.reasons import Reason, make_reason

from .wording import sentence


@dataclass(frozen=True, slots=True)
class Cause:
    """`code` is "" for a plain end of the process, whose code depends on what follows. `clause` is a sentence
    without its full stop. `exit_code` is negative for a signal. `fatal`: every further try will end the same way.
    """

    code: str
    clause: str
    exit_code: int | None = None
    fatal: bool = False

    def say(self, plain_code: str, what_follows: str = "") -> Reason:
        """Return the reason: the cause, and after a semicolon what follows from it."""
        text = f"{self.clause}; {what_follows}" if what_follows else self.clause
        return make_reason(self.code or plain_code, sentence(text), exit_code=self.exit_code)
