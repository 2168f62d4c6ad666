"""Turns what machines say into words for people: short, without addresses' secrets, without Go's wrapping."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_MOST = 240
_QUERY = re.compile(r"(https?://[^\s\"'?]*)\?[^\s\"']*")
_USER = re.compile(r"(https?://)[^\s/@\"']+@")
_REQUEST = re.compile(r'.*\b(?:Get|Head|Post|Put) "[^"]*": ', re.DOTALL)
_REMOTE = re.compile(r".*(?:rpc error: code = \w+ desc = |Error response from daemon: )", re.DOTALL)
_DOWNLOAD = re.compile(r'(?:failed to download artifact(?: "[^"]*")?: |getter subprocess failed: |exit status \d+: )+')
_PLAIN = (
    (re.compile(r"(?:dial tcp: )?lookup (\S+?)(?: on \S+)?: no such host"), r"the name \1 is not known there"),
    (re.compile(r"dial tcp (\S+): connect: connection refused"), r"\1 refuses connections"),
    (re.compile(r"dial tcp (\S+): connect: (?:network is unreachable|no route to host)"), r"no way leads to \1"),
    (re.compile(r"dial tcp (\S+): i/o timeout"), r"\1 does not answer"),
    (re.compile(r"context deadline exceeded.*|.*Client\.Timeout exceeded.*|i/o timeout"), r"no answer came in time"),
    (re.compile(r"bad response code: (\d+)"), r"the answer was \1"),
)


def redact(message: str) -> str:
    """Return a message on one line, cut to a readable length, its URLs without queries and users."""
    line = " ".join(_USER.sub(r"\1", _QUERY.sub(r"\1", message)).split())
    return line if len(line) <= _MOST else line[: _MOST - 3].rstrip() + "..."


def plain(message: str) -> str:
    """Return the innermost part of a nested error, which names the cause, in plain words where they are known."""
    inner = _REMOTE.sub("", _REQUEST.sub("", _DOWNLOAD.sub("", message))).strip().rstrip(".")
    for pattern, words in _PLAIN:
        if pattern.fullmatch(inner):
            return redact(pattern.sub(words, inner))
    return redact(inner)


def sentence(clause: str) -> str:
    """Return a clause as a sentence."""
    return f"{clause[:1].upper()}{clause[1:]}" + ("" if clause.endswith((".", "!", "?", "...")) else ".")


def clause(sentence: str) -> str:
    """Return a sentence for the middle of another one."""
    return f"{sentence[:1].lower()}{sentence[1:]}".rstrip(".") if sentence[1:2].islower() else sentence.rstrip(".")


def clock(at: datetime) -> str:
    """Return the time of day. An instant is named, not a remaining time: else the sentence would change each second."""
    return f"{at.astimezone(UTC):%H:%M:%S} UTC"


def seconds(duration_s: float) -> str:
    return f"{max(1, round(duration_s))} s"
