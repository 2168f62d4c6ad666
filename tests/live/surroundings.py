"""What this machine has for live tests; what is missing is said in one line."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


def find_nomad() -> Path:
    """Return the `nomad` on PATH; skip the test where there is none or it may not be used."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    return Path(shutil.which("nomad") or "")


def missing() -> str:
    """Return what live tests lack here, "" if nothing."""
    if shutil.which("nomad") is None:
        return "nomad: not on PATH"
    if os.geteuid() != 0:
        return "nomad: its clients run as root only"
    return ""
