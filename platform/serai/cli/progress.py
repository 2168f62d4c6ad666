"""Progress of bytes for what takes longer than a second: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .output import Output


@contextmanager
def show_bytes(out: Output, what: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function that is told (done, total) bytes; the bar stands on stderr and goes when the `with` ends."""
    if out.as_json or not sys.stderr.isatty():
        yield _show_nothing
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _show_nothing(done: int, total: int, /) -> None:
    """Stand in for the bar."""
