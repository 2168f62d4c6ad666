"""What drivers say when they cannot start a task, sorted into causes."""

from __future__ import annotations

import re

from .cause import Cause
from .wording import plain

_PULL = re.compile(r"Failed to pull `([^`]+)`: (.+)", re.DOTALL | re.IGNORECASE)
_ABSENT = re.compile(
    r"manifest unknown|manifest for .+ not found|invalid reference format|repository name", re.IGNORECASE
)
_LATE = re.compile(r"deadline exceeded|timed? ?out|no progress|cancell?ed", re.IGNORECASE)
_COMMAND = re.compile(
    r'binary "([^"]+)" could not be found'
    r'|exec: "([^"]+)": (?:executable file not found|stat .+: no such file|permission denied|is a directory)'
    r"|fork/exec (\S+): (?:no such file|permission denied|exec format error)"
)
_RUNTIME = re.compile(r'requested docker runtime "([^"]+)" was not found')
_CONFIG = re.compile(
    r"failed to (?:decode|parse|validate) (?:task |driver )?config|invalid (?:task |driver )?config", re.I
)


def explain_driver_error(message: str, node: str) -> Cause:
    """Return the cause behind a Driver Failure."""
    if match := _PULL.search(message):
        return _explain_pull(match[1], match[2], node)
    if match := _COMMAND.search(message):
        command = next(group for group in match.groups() if group)
        return Cause("command-missing", f"the command {command} does not exist on {node} or cannot be executed")
    if match := _RUNTIME.search(message):
        return Cause("driver-missing", f"docker on {node} lacks the runtime {match[1]}")
    if "no space left on device" in message:
        return Cause("disk-full", f"the disk of {node} is full")
    if _CONFIG.search(message):
        return Cause("scheduler-error", f"the driver refuses the job's configuration: {plain(message)}", fatal=True)
    return Cause("setup-failed", f"{node} could not start the process: {plain(message)}")


def _explain_pull(image: str, message: str, node: str) -> Cause:
    if _LATE.search(message) and "dial tcp" not in message:
        return Cause("image-timeout", f"the image {image} was not pulled on {node} in time")
    words = f"the image {image} cannot be pulled on {node}: {plain(message)}"
    return Cause("image-missing", words, fatal=bool(_ABSENT.search(message)))
