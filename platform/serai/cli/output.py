"""Print for people (tables, colours on a terminal) or for programs (JSON): one object decides once."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from .words import COLOURS, clean, state_word

if TYPE_CHECKING:
    from rich.console import Console

WIDE = 10_000  # without a terminal nothing is wrapped or cut: grep and awk read it


class Output:
    """Where a command's results go. `say` and `table` are for people, `document` and `record` for programs."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    @property
    def is_terminal(self) -> bool:
        return sys.stdout.isatty()

    def document(self, value: object) -> None:
        """Print the one JSON document of a command."""
        click.echo(json.dumps(value, indent=2, ensure_ascii=False))

    def record(self, value: object) -> None:
        """Print one JSON document a line, of a command that goes on."""
        click.echo(json.dumps(value, ensure_ascii=False))

    def say(self, text: str = "") -> None:
        """Print a line for people; nothing with --json."""
        if not self.as_json:
            click.echo(text)

    def warn(self, text: str) -> None:
        click.echo(text, err=True)

    def secret(self, document: Mapping[str, Any], secret: str, *about: str) -> None:
        """Print what is never shown again alone on stdout, so that `KEY=$(serai ...)` works; `about` it on stderr."""
        if self.as_json:
            self.document(document)
            return
        for line in about:
            self.warn(line)
        self.say(secret)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> None:
        """Print rows under their columns, those of `right` flush right; where room is scarce the last one is folded."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for column in columns:
            is_last = column == columns[-1]
            table.add_column(
                column, justify="right" if column in right else "left", overflow="fold", no_wrap=not is_last
            )
        for row in rows:
            table.add_row(*(Text.from_ansi(clean(cell)) for cell in row))
        self._console().print(table)

    def _console(self) -> Console:
        from rich.console import Console

        return Console(file=sys.stdout, width=None if self.is_terminal else WIDE, highlight=False, markup=False)


def paint_state(state: str) -> str:
    """Return the word of a state in its colour (ANSI; click and rich drop it where there is no terminal)."""
    return click.style(state_word(state), fg=COLOURS.get(state))
