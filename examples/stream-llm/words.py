"""What the model that is none has to say: an answer made of the question, token by token, always the same."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

_SONG = """
a river keeps its name while every drop of it moves on and the stones below remember none of them yet shape the song
that is heard at night by those who cannot sleep and count the lights of the far shore until it is morning
"""
_WORDS = _SONG.split()


def make_tokens(prompt: str, limit: int) -> Iterator[str]:
    """Yield at most `limit` tokens; the same prompt gives the same ones."""
    quoted = " ".join(prompt.split())[:200]
    yield from _split(f"You said: {quoted}\n\n")[:limit]
    seed = int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:8], "big")
    for place in range(limit - len(_split(f"You said: {quoted}\n\n"))):
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        word = _WORDS[(seed >> 33) % len(_WORDS)]
        yield f"{word}.\n" if place % 17 == 16 else f"{word} "


def count_tokens(text: str) -> int:
    return len(_split(text))


def _split(text: str) -> list[str]:
    return re.findall(r"\S+\s*|\s+", text)
