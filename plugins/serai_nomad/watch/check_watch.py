"""The thread that asks for the checks of replicas, as the board says, and tells what has changed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor

from serai.domain.errors import SeraiError
from serai_nomad.facts import Json, Remembered

from .check_board import CheckBoard
from .check_turns import Lane

log = logging.getLogger(__name__)

_LOOK_S = 0.05
_SAVE_S = 1.0


class CheckWatch:
    """Asks in the background between `start` and `close`; `ask` asks here and now.

    Each of the `lanes` has a pool of its own and a number of asks at a time: replicas that do not answer until a
    time-out, all those of a node that is cut off, hold up neither those of the other lane nor anything else.
    """

    def __init__(
        self,
        board: CheckBoard,
        ask: Callable[[str], Json | None],
        lanes: Mapping[Lane, tuple[Executor, int]],
        tell: Callable[[str], None],
        save: Callable[[Mapping[str, Remembered]], None],
    ) -> None:
        self._board = board
        self._ask_one = ask
        self._pools = {lane: pool for lane, (pool, _) in lanes.items()}
        self._free = {lane: threading.BoundedSemaphore(at_once) for lane, (_, at_once) in lanes.items()}
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

    def ask(self, lane: Lane, allocations: Collection[str]) -> None:
        """Ask these replicas now, and wait for their answers."""
        list(self._pools[lane].map(self._take, allocations))

    def _run(self) -> None:
        saved_at = time.monotonic()
        while not self._closed.wait(_LOOK_S):
            try:
                for lane in self._pools:
                    self._begin(lane)
            except RuntimeError:  # the pool has been shut down: the scheduler closes
                break
            if time.monotonic() - saved_at >= _SAVE_S:
                self._save_news()
                saved_at = time.monotonic()
        self._save_news()

    def _save_news(self) -> None:
        if (unsaved := self._board.take_unsaved()) is not None:
            self._save(unsaved)

    def _begin(self, lane: Lane) -> None:
        """Have those asked whose turn it is, as far as the budget goes and not too many are being asked."""
        now = time.monotonic()
        for id in self._board.due(lane, now, _LOOK_S):
            if not self._free[lane].acquire(blocking=False):
                return
            self._board.note_asked(id, now)
            self._pools[lane].submit(self._take_and_tell, lane, id)

    def _take_and_tell(self, lane: Lane, allocation: str) -> None:
        try:
            if workload := self._take(allocation):
                self._tell(workload)
        except Exception:
            log.exception("the check of %s could not be judged", allocation)
        finally:
            self._free[lane].release()

    def _take(self, allocation: str) -> str | None:
        """Return the workload if what counts has changed. That Nomad itself cannot be asked says nothing."""
        try:
            return self._board.take(allocation, self._ask_one(allocation), time.monotonic())
        except SeraiError as error:
            log.debug("checks of %s: %s", allocation, error.message)
            return None
