"""One replica of the fake scheduler: phases that move a step at a time, as a script says."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from serai.domain.errors import SeraiError
from serai.domain.observation import LogLine, Phase, Replica, Stream
from serai.domain.reasons import Reason, make_reason


@dataclass(frozen=True, slots=True)
class Script:
    """How the replicas of a workload act; one step passes with each observation.

    `ready_after`: observations that see it loading before it is ready; None is never. `crashes`: so often it ends
    with `exit_code` before that. `gives_up_after`: crashes of one replica after which the scheduler gives up.
    `stop_steps`: observations that see it stopping. `says`, `last_words`: lines on stdout at its start and its
    graceful end, `{replica}` in them being its id. `refusal`: raised by `submit`.
    """

    ready_after: int | None = 0
    crashes: int = 0
    exit_code: int = 1
    gives_up_after: int | None = None
    stop_steps: int = 0
    says: tuple[str, ...] = ()
    last_words: tuple[str, ...] = ()
    refusal: SeraiError | None = None


@dataclass(slots=True)
class FakeReplica:
    """What the fake knows of a replica. `steps` counts in its phase, `fallen` its crashes altogether."""

    id: str
    digest: str
    address: str
    started_at: datetime
    since: datetime
    phase: Phase = Phase.LOADING
    steps: int = 0
    crashes: int = 0
    fallen: int = 0
    reason: Reason | None = None
    lines: list[LogLine] = field(default_factory=list)

    @property
    def live(self) -> bool:
        return self.phase is not Phase.ENDED

    @property
    def wanted(self) -> bool:
        """True unless it is on its way out."""
        return self.phase not in {Phase.STOPPING, Phase.ENDED}

    def start(self, script: Script, now: datetime) -> None:
        self._enter(Phase.LOADING, now)
        self.say(script.says, now)
        self._maybe_ready(script, now)

    def step(self, script: Script, now: datetime) -> bool:
        """Move on by one observation; return whether anything an observer sees has changed."""
        before = (self.phase, self.crashes)
        self.steps += 1
        if self.phase is Phase.STOPPING:
            self._maybe_end(script, now)
        elif self.phase is Phase.BACKING_OFF:
            self.start(script, now)
        elif self.phase is Phase.LOADING and self.fallen < script.crashes:
            self.crash(script.exit_code, now)
        elif self.phase is Phase.LOADING:
            self._maybe_ready(script, now)
        return before != (self.phase, self.crashes)

    def crash(self, exit_code: int, now: datetime) -> None:
        """End with `exit_code`, to be started again at the next step."""
        self.crashes += 1
        self.fallen += 1
        text = f"The process ended with exit code {exit_code} and will be started again."
        tail = tuple(line.text for line in self.lines[-5:])
        self._enter(Phase.BACKING_OFF, now, make_reason("restarting", text, log=tail, exit_code=exit_code))

    def stop(self, script: Script, now: datetime) -> None:
        if self.wanted:
            self._enter(Phase.STOPPING, now, make_reason("stopping"))
            self._maybe_end(script, now)

    def fail(self, exit_code: int, now: datetime) -> None:
        """End for good, badly."""
        self._enter(Phase.ENDED, now, make_reason("failed-replica", exit_code=exit_code))

    def say(self, texts: tuple[str, ...], now: datetime, stream: Stream = Stream.STDOUT) -> None:
        for text in texts:
            line = text.replace("{replica}", self.id)
            self.lines.append(LogLine(now, self.id, stream, line, str(len(self.lines) + 1)))

    def freeze(self) -> Replica:
        return Replica(
            id=self.id,
            phase=self.phase,
            live=self.live,
            ready=self.phase is Phase.READY,
            digest=self.digest,
            since=self.since,
            started_at=self.started_at,
            address=self.address,
            reason=self.reason,
            crashes=self.crashes,
            node="fake",
        )

    def _maybe_ready(self, script: Script, now: datetime) -> None:
        can_be = script.ready_after is not None and self.fallen >= script.crashes
        if can_be and script.ready_after is not None and self.steps >= script.ready_after:
            self.crashes = 0
            self._enter(Phase.READY, now)

    def _maybe_end(self, script: Script, now: datetime) -> None:
        if self.steps >= script.stop_steps:
            self.say(script.last_words, now)
            self._enter(Phase.ENDED, now)

    def _enter(self, phase: Phase, now: datetime, reason: Reason | None = None) -> None:
        self.phase, self.since, self.steps, self.reason = phase, now, 0, reason
