"""Questions that a command asks on the terminal, and what it does where there is none."""

from __future__ import annotations

import sys

import click

from serai.domain.errors import Invalid


def confirm(question: str, otherwise: str) -> None:
    """Ask before something is gone for good; end the command with the sentence `otherwise` unless the answer is yes."""
    if not sys.stdin.isatty():
        raise Invalid("there is no terminal to ask on; give --yes", "yes")
    if not click.confirm(question):
        click.echo(otherwise, err=True)
        raise click.exceptions.Exit(1)


def ask_password(login: str, is_new: bool = True) -> str:
    """Return a password, asked for without an echo, a new one twice; without a terminal, the line of standard input."""
    if not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise Invalid(
                "there is no terminal to ask on; write the password to standard input, as one line", "password"
            )
        return password
    question = f"{'New password' if is_new else 'Password'} of {login}"
    return str(click.prompt(question, hide_input=True, confirmation_prompt=is_new, err=True))
