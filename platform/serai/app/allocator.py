"""How the C library hands out memory to a process of many threads."""

from __future__ import annotations

import contextlib
import ctypes

_M_ARENA_MAX = -8  # glibc's malloc.h
_ARENAS = 2


def share_arenas() -> None:
    """Have glibc keep two pools of memory instead of eight a core. Without effect on other C libraries.

    A thread takes memory from one pool for good. Dozens of threads that answer in turn let each pool grow, for hours,
    to the most that any answer needed. As one thread at a time runs Python, they hardly wait for each other.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)
