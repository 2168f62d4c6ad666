"""Write the generated reference pages: `make reference`. A test compares them with what this makes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from serai.cli.reference import make_reference as make_cli_page
from serai.config import Configuration
from serai.domain.reasons import CATALOGUE
from serai.domain.traffic import Rate
from serai.domain.traffic_text import dump_rate
from serai.plugin.reference import make_hooks_page
from serai.web.reference import make_errors_page, make_rest_page

FOLDER = Path(__file__).parent / "reference"
# Written by the tests in tests/live, of what a real Nomad made the plugin say.
HEARD = FOLDER / "nomad-reasons.json"
# Codes that the plugin can say and the tests cannot have it say, and why.
UNHEARD = {
    "disk-full": "it would take a full disk",
    "gave-up": "it would take a Nomad that fails to place a version again and again by a fault of its own",
}


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
        "As they are said of models on Nomad: [reasons on Nomad](nomad-reasons.md).",
        "",
        "| code | said when | what would help |",
        "|---|---|---|",
    ]
    return "\n".join([*head, *rows]) + "\n"


def make_nomad_reasons_page() -> str:
    """Return the page of the reasons on Nomad, with the sentences that a real one led to."""
    kept, heard = json.loads(HEARD.read_text(encoding="utf-8")), dict[str, list[str]]()
    for said in kept["heard"].values():
        heard.setdefault(said["code"], []).append(_quote(said))
    rows = [
        f"| `{code}` | {text} | {help_text} | {'<br><br>'.join(dict.fromkeys(heard[code]))} |"
        for code, (text, help_text) in CATALOGUE.items()
        if code in heard
    ]
    head = [
        "# Reasons on Nomad",
        "",
        "What the scheduler plugin `nomad` says of versions and replicas. The last column quotes what it said when",
        f"tests brought it about on a real Nomad {kept['nomad']}; ports, times and names in it are examples.",
        "All codes, also those that are Serai's own: [reasons](reasons.md).",
        "",
        "| code | said when | what would help | as said on a real Nomad |",
        "|---|---|---|---|",
    ]
    unheard = [f"* `{code}`: {CATALOGUE[code][0]} Not brought about, as {why}." for code, why in UNHEARD.items()]
    return "\n".join([*head, *rows, "", *unheard]) + "\n"


def _quote(said: Mapping[str, Any]) -> str:
    """Return a sentence with the last lines and the funnel that came with it, for a cell of a table."""
    parts = [str(said["text"])]
    if said.get("log"):
        parts.append("Last lines: " + " ".join(f"`{line.replace('`', '')}`" for line in said["log"]))
    if said.get("funnel"):
        parts.append("Nodes: " + ", ".join(f"{step} {nodes}" for step, nodes in said["funnel"]) + ".")
    return "<br>".join(part.replace("|", "\\|") for part in parts)


def _about(setting: Field[object]) -> str:
    return str(setting.metadata["about"])


def _default(name: str) -> str:
    value = getattr(Configuration(), name)
    if isinstance(value, tuple):
        value = ", ".join(value)
    if isinstance(value, Rate):
        value = dump_rate(value)
    if value is None:
        value = "off"
    return f"`{value}`" if str(value) else ""


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": make_cli_page,
    "errors.md": make_errors_page,
    "hooks.md": make_hooks_page,
    "nomad-reasons.md": make_nomad_reasons_page,
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
