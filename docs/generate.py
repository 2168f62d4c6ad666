"""Write the generated reference pages: `make reference`. A test compares them with what this makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path

from serai.cli.reference import make_reference as make_cli_page
from serai.config import Configuration
from serai.domain.reasons import CATALOGUE
from serai.plugin.reference import make_hooks_page
from serai.web.reference import make_errors_page, make_rest_page

FOLDER = Path(__file__).parent / "reference"


def make_settings_page() -> str:
    """Return the page of all settings."""
    rows = [
        f"| `{setting.name}` | `SERAI_{setting.name.upper()}` | {_default(setting.name)} | {_about(setting)} |"
        for setting in fields(Configuration)
        if setting.metadata
    ]
    head = [
        "# Settings",
        "",
        "Of server and gateway, in `serai.toml`, overridden by the environment, overridden by options.",
        "A plugin's own settings stand in `[plugin.<name>]`.",
        "",
        "| in serai.toml | in the environment | default | meaning |",
        "|---|---|---|---|",
    ]
    return "\n".join([*head, *rows]) + "\n"


def make_reasons_page() -> str:
    """Return the page of all reason codes."""
    rows = [f"| `{code}` | {text} | {help_text} |" for code, (text, help_text) in CATALOGUE.items()]
    head = [
        "# Reasons",
        "",
        "Why a version is not plainly Running or Stopped. Codes are stable; the sentence shown is more exact.",
        "",
        "| code | said when | what would help |",
        "|---|---|---|",
    ]
    return "\n".join([*head, *rows]) + "\n"


def _about(setting: Field[object]) -> str:
    return str(setting.metadata["about"])


def _default(name: str) -> str:
    value = getattr(Configuration(), name)
    if isinstance(value, tuple):
        value = ", ".join(value)
    return f"`{value}`" if str(value) else ""


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": make_cli_page,
    "errors.md": make_errors_page,
    "hooks.md": make_hooks_page,
    "reasons.md": make_reasons_page,
    "rest.md": make_rest_page,
    "settings.md": make_settings_page,
}


def main() -> None:
    for name, make in PAGES.items():
        (FOLDER / name).write_text(make(), encoding="utf-8")
        print(f"wrote docs/reference/{name}")


if __name__ == "__main__":
    main()
