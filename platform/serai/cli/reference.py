"""Write the reference of the command line out of the commands themselves: docs/reference/cli.md.

python -m serai.cli.reference > docs/reference/cli.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from .catalogue import COMMANDS, SECTIONS
from .main import cli, load_command

_HEAD = """# The command line

This page is generated from the commands (`python -m serai.cli.reference`); a test keeps it fresh.

Clients find their server by `--server`, `SERAI_URL`, the login that `serai login` saved, or `./.serai/up.json` of a
`serai up` in the same folder, in this order; the token is `SERAI_TOKEN` or the one kept with that server. With `--json`
results are JSON on stdout, and errors `{"error": {"code", "message"}}` on stderr. Exit codes, where a command names no
others: 0 done, 2 bad input, 130 interrupted, 1 anything else.
"""


def make_reference() -> str:
    """Return the page."""
    return _HEAD + "".join(_describe_section(section, names) for section, names in SECTIONS.items())


def _describe_section(section: str, names: dict[str, str]) -> str:
    return f"\n## {section}\n" + "".join(
        _describe(name, load_command(COMMANDS[name]), click.Context(cli, info_name="serai")) for name in names
    )


def _describe(name: str, command: click.Command, parent: click.Context) -> str:
    """Return the section of a command, followed by those of its own commands."""
    ctx = click.Context(command, info_name=name.rpartition(" ")[2], parent=parent)
    usage = " ".join(["serai", name, *command.collect_usage_pieces(ctx)])
    about = "\n".join(_unwrap(command.help or ""))
    rows = "".join(f"| {left} | {right} |\n" for left, right in _options(command, ctx))
    table = f"\n| option | |\n|---|---|\n{rows}" if rows else ""
    below = command.commands if isinstance(command, click.Group) else {}
    parts = "".join(_describe(f"{name} {part}", below[part], ctx) for part in below)
    return f"\n### serai {name}\n\n`{usage}`\n\n{about}\n{table}{parts}"


def _unwrap(text: str) -> Iterator[str]:
    """Yield the paragraphs of a help text; one that click leaves as it is (\\b) becomes a block."""
    for number, paragraph in enumerate(text.strip().split("\n\n")):
        if number:
            yield ""
        lines = [line.rstrip() for line in paragraph.split("\n")]
        if lines[0].strip() == "\b":
            yield from ("```text", *lines[1:], "```")
        else:
            yield " ".join(line.strip() for line in lines)


def _options(command: click.Command, ctx: click.Context) -> Iterator[tuple[str, str]]:
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
        if record and "--help" not in record[0]:
            left, right = record
            yield f"`{left}`".replace("|", "\\|"), right.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(make_reference())
