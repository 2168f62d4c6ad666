"""Where a reader of a replica's log is: the file and offset of each task's each stream, as one word."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from serai.domain.errors import Invalid
from serai.domain.observation import Stream
from serai_nomad.names import INSTALL, TASK


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Behind so many bytes of a file; files count up from 0 as Nomad rotates them."""

    number: int = 0
    offset: int = 0

    def __str__(self) -> str:
        return f"{self.number}.{self.offset}"


@dataclass(frozen=True, slots=True)
class Channel:
    """One stream of one task; what the task that installs has to say is the system's."""

    task: str
    output: str

    @property
    def stream(self) -> Stream:
        return Stream.SYSTEM if self.task == INSTALL else Stream(self.output)


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file of a channel, with the size and time of its last change as they were when it was listed."""

    channel: Channel
    number: int
    size: int
    modified_at: datetime

    @property
    def name(self) -> str:
        return f"{self.channel.task}.{self.channel.output}.{self.number}"


# Lines of the same time come in this order; cursors list positions in it.
CHANNELS = tuple(Channel(task, output) for task in (INSTALL, TASK) for output in ("stdout", "stderr"))


def decode_cursor(text: str | None) -> list[Position]:
    """Return the positions in a cursor, the beginning of everything for None. Raise Invalid.

    A cursor is `0.15-0.5-2.1034-0.9`: file and offset of each of CHANNELS.
    """
    if text is None:
        return [Position()] * len(CHANNELS)
    numbers = [part.split(".") for part in text.split("-")]
    if len(numbers) != len(CHANNELS) or any(len(pair) != 2 or not all(map(_is_number, pair)) for pair in numbers):
        raise Invalid(f"{text!r} is not a cursor of this log", "after")
    return [Position(int(number), int(offset)) for number, offset in numbers]


def parse_file_name(name: str) -> tuple[Channel, int] | None:
    """Return the channel and number of `server.stdout.3`, None for other names, such as the fifos beside them."""
    task_and_output, _, number = name.rpartition(".")
    task, _, output = task_and_output.rpartition(".")
    channel = Channel(task, output)
    return (channel, int(number)) if channel in CHANNELS and _is_number(number) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
