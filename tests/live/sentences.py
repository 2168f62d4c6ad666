"""The sentences really said on a real Nomad, kept in docs/reference/nomad-reasons.json and held against what is said.

With SERAI_RECORD_REASONS=1 the live tests write what they hear; without it a sentence that differs fails its test, on
the same version of Nomad. What differs from run to run (ports, ids, times, names of nodes) is written as an example;
log lines, which are other programs' words, are kept and not compared.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serai.domain.reasons import Reason
from tests.live.api import HarnessApi

Json = dict[str, Any]
FILE = Path(__file__).parents[2] / "docs" / "reference" / "nomad-reasons.json"
SWITCH = "SERAI_RECORD_REASONS"
_COMPARED = ("code", "text", "help", "exit_code", "funnel")
_EXAMPLES = (
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "12:00:00"),
    (re.compile(r"\b(127\.0\.0\.1|\[::1\]):\d+"), r"\1:8000"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "1f0c2a7e"),
    (re.compile(r"\bsha256:[0-9a-f]{64}\b"), "sha256:1f0c2a7e"),
    (re.compile(r"(?<= after a pause of )[\d.]+ s"), "5 s"),
    (re.compile(r"\b([a-z-]+)-v\d+\b"), r"\1-v1"),
    (re.compile(r"(?<= layers, )[\d.]+MiB"), "9.54MiB"),
    (re.compile(r"(?<=Nomad denied )GET /v1/[a-z/]+"), "GET /v1/jobs"),
)


class Sentences:
    """Takes what was heard, by scenario. `names` are further texts of this run and what they are called in the file."""

    def __init__(self, api: HarnessApi, names: Mapping[str, str]) -> None:
        self._nomad = str(api.get("/v1/agent/self")["config"]["Version"]["Version"])
        self._names = dict(names)

    def add(self, own: str, example: str) -> None:
        self._names[own] = example

    def take(self, scenario: str, reason: Reason, is_ours: bool = True) -> None:
        """Write the sentence, or fail where it is not the one in the file.

        `is_ours`: whether all its words are Serai's and Nomad's; else only its code is compared.
        """
        kept, heard = load_file(), self._describe(reason)
        if os.environ.get(SWITCH):
            sentences = dict(sorted((kept["heard"] | {scenario: heard}).items()))
            text = json.dumps({"nomad": self._nomad, "heard": sentences}, indent=1, ensure_ascii=False)
            FILE.write_text(text + "\n", encoding="utf-8")
            return
        known = kept["heard"].get(scenario, {})
        keys = _COMPARED if is_ours and kept["nomad"] == self._nomad else ("code",)
        differs = [key for key in keys if known.get(key) != heard.get(key)]
        assert not differs, f"{FILE.name} is old for {scenario!r} ({differs}): {SWITCH}=1, then make reference; {heard}"

    def _describe(self, reason: Reason) -> Json:
        told = {
            "code": reason.code,
            "text": self._generalize(reason.text),
            "help": self._generalize(reason.help),
            "exit_code": reason.exit_code,
            "log": [self._generalize(line) for line in reason.log],
            "funnel": [[step, nodes] for step, nodes in reason.funnel],
        }
        return {key: value for key, value in told.items() if value not in ("", [], None)}

    def _generalize(self, text: str) -> str:
        for own, example in self._names.items():
            text = text.replace(own, example)
        for pattern, example in _EXAMPLES:
            text = pattern.sub(example, text)
        return text


def load_file() -> Json:
    """Return the version of Nomad (`nomad`) and what it was made to say by scenario (`heard`)."""
    found: Json = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {"nomad": "", "heard": {}}
    return found
