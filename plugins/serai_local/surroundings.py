"""The environment variables a model starts with."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from serai.domain.attributes import RESOURCE_VARIABLE, make_resource
from serai.domain.observation import Workload

_BASE = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_.*|TZ|TMPDIR|TEMP|TMP|LD_LIBRARY_PATH|CUDA_HOME|XDG_.*"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|(?i:https?_proxy|no_proxy|all_proxy)"
)
_TOOLS = re.compile(r"PIP_.*|UV_.*")


def make_base(server: Mapping[str, str], inherit: Sequence[str]) -> dict[str, str]:
    """Return what models inherit of the server's environment: only what is known to be harmless, or was named."""
    base = {key: value for key, value in server.items() if _BASE.fullmatch(key) or key in inherit}
    # last, so that `python` exists at all where nothing else brings one
    base["PATH"] = f"{base.get('PATH') or '/usr/local/bin:/usr/bin:/bin'}:{Path(sys.executable).parent}"
    return base


def make_model_env(base: Mapping[str, str], workload: Workload, own: Mapping[str, str]) -> dict[str, str]:
    """Return a model's environment: what is inherited, then the manifest's, then secrets and ours, each winning."""
    told = make_resource(workload.deployment, workload.version, own["SERAI_REPLICA"])
    return {"PYTHONUNBUFFERED": "1", RESOURCE_VARIABLE: told, **base, **workload.spec.env, **workload.env, **own}


def make_tool_env(base: Mapping[str, str], server: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of installers: no secret of the version, but the machine's pip and uv settings."""
    return {**base, **{key: value for key, value in server.items() if _TOOLS.fullmatch(key)}, **own}
