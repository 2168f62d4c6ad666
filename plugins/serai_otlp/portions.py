"""A batch in as many messages as its receiver wants: halves of what is too large, and no part of it sent twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from serai.plugin import Rejected

Item = TypeVar("Item")


class TooLarge(Rejected):
    """The message as a whole is too large; less of it may be taken."""


class Portions(Generic[Item]):
    """Divides the batches of one verb of a sink, for one thread.

    A batch whose call raised comes again as it was; what was taken of it, or refused for good, is known until then.
    """

    def __init__(self) -> None:
        self._batch: list[Item] = []
        self._waiting: list[Sequence[Item]] = []  # the next one last
        self._refused = 0
        self._is_taken = False  # any of it
        self._refusal: Rejected | None = None

    def send(self, batch: Sequence[Item], send: Callable[[Sequence[Item]], None]) -> None:
        """Hand `batch` to `send` in portions. Raise what it raises; and Rejected, at the end, of what it rejected."""
        if not self._waiting or self._batch != list(batch):
            self._begin(batch)
        while self._waiting:
            portion = self._waiting[-1]
            try:
                send(portion)
            except Rejected as error:
                self._waiting.pop()
                self._divide(portion, error)
            else:
                self._waiting.pop()
                self._is_taken = True
        self._end()

    def _begin(self, batch: Sequence[Item]) -> None:
        self._batch, self._waiting = list(batch), [batch] if batch else []
        self._refused, self._is_taken, self._refusal = 0, False, None

    def _divide(self, portion: Sequence[Item], error: Rejected) -> None:
        half = len(portion) // 2
        if isinstance(error, TooLarge) and half:
            self._waiting += [portion[half:], portion[:half]]
            return
        self._refused += len(portion) if error.count is None else error.count
        self._is_taken = self._is_taken or error.count is not None
        self._refusal = self._refusal or error

    def _end(self) -> None:
        refusal, count = self._refusal, self._refused if self._is_taken else None
        self._begin(())
        if refusal is not None:
            raise Rejected(str(refusal), count) from refusal
