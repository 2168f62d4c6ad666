"""From answers of probes to a phase: decisions only."""

from __future__ import annotations

from .probe import Answer

STRIKES = 3
_SOON_S = 0.05
_EAGER_S = 0.1


class Readiness:
    """Judges one run of a model; times are monotonic seconds.

    loading   nothing listens
    checking  something listens, the check does not pass (or has failed STRIKES times in a row after having passed)
    ready     the check passes
    """

    def __init__(self, interval_s: float, now: float) -> None:
        self._interval_s = interval_s
        self._since = now
        self._strikes = 0
        self.phase = "loading"
        self.text = ""
        self.host = ""

    def take(self, answer: Answer, now: float) -> bool:
        """Take an answer; return whether the phase, its text or the host has changed."""
        before = (self.phase, self.text, self.host)
        if answer.has_passed:
            self._strikes = 0
            self._enter("ready", "", now)
            self.host = answer.host
        elif self.phase == "ready":
            self._strikes += 1
            if self._strikes >= STRIKES:
                self._enter("checking", f"{STRIKES} checks in a row failed: {answer.text}", now)
        else:
            self._enter("checking" if answer.host or self.phase == "checking" else "loading", answer.text, now)
        return before != (self.phase, self.text, self.host)

    def pause_s(self, now: float) -> float:
        """Return how long to wait before the next look.

        A refused connection costs a model nothing, so that is tried often; an HTTP check that fails is asked less
        and less often, a tenth of the time it has failed for, until it is the interval.
        """
        if self.phase == "ready":
            return self._interval_s
        age_s = now - self._since
        if self.phase == "loading":
            return min(self._interval_s, _SOON_S if age_s < 5 else _EAGER_S)
        return min(self._interval_s, max(_EAGER_S, age_s / 10))

    def _enter(self, phase: str, text: str, now: float) -> None:
        if phase != self.phase:
            self._since = now
        self.phase, self.text = phase, text
