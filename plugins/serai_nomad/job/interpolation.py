"""Text of users in places where Nomad replaces `${...}`: escaped where that is possible, refused where it is not.

| place | what Nomad does | here |
|---|---|---|
| a driver's Config | reads HCL: an unknown `${x}` fails the task, `%{` begins a directive | `escape_config` |
| Env | replaces `${x}` for known names of letters, digits, `_`, `-`, `.` | `is_replaced`: goes into a file instead |
| paths of checks and mounts | as Env | `check_literal` |
| constraints | as Env, on purpose | left alone |
"""

from __future__ import annotations

import re

from serai.domain.errors import Invalid

_REFERENCE = re.compile(r"\$\{[a-zA-Z0-9_\-.]+\}")


def escape_config(text: str) -> str:
    """Return what a string of a driver's Config has to be for the task to see `text`."""
    return text.replace("${", "$${").replace("%{", "%%{")


def is_replaced(text: str) -> bool:
    """Tell whether Nomad could replace something in `text`."""
    return _REFERENCE.search(text) is not None


def check_literal(text: str, field: str) -> str:
    """Return `text`, or raise Invalid where Nomad would replace a part of it."""
    if match := _REFERENCE.search(text):
        raise Invalid(f"{field}: Nomad would replace {match[0]} in {text!r}; leave it out", field)
    return text
