"""The thread that asks for the checks of replicas, as the board says, and tells what has changed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor

from serai.domain.errors import SeraiError

from .check_board import CheckBoard
from .facts import Json, Remembered

log = logging.getLogger(__name__)

_LOOK_S = 0.1
_AT_ONCE = 8


class CheckWatch:
    """Asks in the background between `start` and `close`; `ask` asks here and now."""

    def __init__(
        self,
        board: CheckBoard,
        ask: Callable[[str], Json | None],
        pool: Executor,
        tell: Callable[[str], None],
        save: Callable[[Mapping[str, Remembered]], None],
    ) -> None:
        self._board = board
        self._ask_one = ask
        self._pool = pool
        self._tell = tell
        self._save = save
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nomad-checks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def ask(self, allocations: Collection[str]) -> list[str]:
        """Ask these replicas' checks now; return the workloads for which that changed something."""
        answers = self._pool.map(self._answer, allocations)
        changed = [self._board.take(id, *answer) for id, answer in zip(allocations, answers, strict=True) if answer]
        return [workload for workload in changed if workload]

    def _run(self) -> None:
        while not self._closed.wait(_LOOK_S):
            try:
                while not self._closed.is_set() and (due := self._board.due(time.monotonic(), _AT_ONCE)):
                    for workload in self.ask(due):
                        self._tell(workload)
                if (unsaved := self._board.take_unsaved()) is not None:
                    self._save(unsaved)
            except RuntimeError:  # the pool has been shut down: the scheduler closes
                return

    def _answer(self, allocation: str) -> tuple[Json | None, float] | None:
        """Return the answer and when it came; None where Nomad itself could not be asked, which says nothing."""
        try:
            return self._ask_one(allocation), time.monotonic()
        except SeraiError as error:
            log.debug("checks of %s: %s", allocation, error.message)
            self._closed.wait(_LOOK_S)
            return None
