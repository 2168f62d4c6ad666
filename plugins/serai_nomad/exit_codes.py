"""The exit codes with which the scripts on a node say why they cannot start a model."""

from __future__ import annotations

NO_BUNDLE = 120
"""The bundle could not be unpacked, or is not there."""
NO_ENVIRONMENT = 121
"""The installed packages are gone."""
NO_COMMAND = 127
"""As a shell's own: there is nothing to run, or it does not exist."""
