"""What a model finds in its environment, and in which way each variable gets there.

| variable | way | why |
|---|---|---|
| PORT, SERAI_* | Env | Nomad fills in the replica's own |
| HOST, unless the manifest has it | Env | where gateways reach it, which 127.0.0.1 is not |
| OTEL_RESOURCE_ATTRIBUTES, unless the manifest has it | Env | spans of the model say whose they are |
| of the manifest | Env | seen in Nomad's UI |
| of the manifest, with `${...}` in it | a file | Nomad would replace it in Env |
| secrets | a file made of the job's variable | must not be in the job |
| CUDA_VISIBLE_DEVICES | a file | known on the node only, where NVIDIA's plugin sets NVIDIA_VISIBLE_DEVICES |
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from serai.domain.attributes import RESOURCE_VARIABLE, make_resource
from serai.domain.errors import Invalid
from serai.domain.observation import Workload
from serai_nomad.facts import Json
from serai_nomad.names import PORT_LABEL

from .interpolation import is_replaced
from .secrets import is_secret, make_variable_items
from .task_files import make_env_file

_MOST_LINE_BYTES = 65_000  # Nomad reads a file of variables by lines of less than 64 KiB
_CUDA = '{{ with env "NVIDIA_VISIBLE_DEVICES" }}CUDA_VISIBLE_DEVICES={{ . | toJSON }}{{ end }}\n'
# Not by name: a key called `Keys` or `Values` would be taken for a method of the variable.
_SECRETS = '{{ with nomadVar "nomad/jobs/%s" }}{{ range .Tuples }}{{ .K }}={{ .V | toJSON }}\n{{ end }}{{ end }}'


def make_env(workload: Workload, host: str) -> dict[str, str]:
    """Return the task's `Env`. `host` is the address that the model should listen on."""
    manifest = _of_manifest(workload)
    shown = {name: value for name, value in manifest.items() if not is_replaced(value)}
    own = {name: value for name, value in sorted(workload.env.items()) if not is_secret(name)}
    defaults = {
        "HOST": host,
        RESOURCE_VARIABLE: make_resource(workload.deployment, workload.version, "${NOMAD_ALLOC_ID}"),
    }
    return {
        "PYTHONUNBUFFERED": "1",
        **{name: value for name, value in defaults.items() if name not in {*manifest, *workload.env}},
        **shown,
        **own,
        "PORT": f"${{NOMAD_PORT_{PORT_LABEL}}}",
        "SERAI_REPLICA": "${NOMAD_ALLOC_ID}",
    }


def make_env_files(workload: Workload) -> list[Json]:
    """Return the templates that set further variables. Raise Invalid for a value that is too long for one."""
    files: list[Json] = []
    literal = {name: value for name, value in _of_manifest(workload).items() if is_replaced(value)}
    if literal:
        lines = "".join(f"{_write_line(name, value, 'env')}\n" for name, value in literal.items())
        files.append(make_env_file("manifest.env", lines, is_literal=True))
    if items := make_variable_items(workload):
        for name, value in items.items():
            _write_line(name, value, "secrets")  # to see that it can be read again
        files.append(make_env_file("secrets.env", _SECRETS % workload.id))
    if workload.spec.resources.gpu:
        files.append(make_env_file("gpus.env", _CUDA))
    return files


def _of_manifest(workload: Workload) -> Mapping[str, str]:
    return {name: value for name, value in sorted(workload.spec.env.items()) if name not in workload.env}


def _write_line(name: str, value: str, field: str) -> str:
    line = f"{name}={json.dumps(value, ensure_ascii=False)}"
    if len(line.encode()) > _MOST_LINE_BYTES:
        text = f"{field}.{name}: {len(line.encode())} bytes are too long for a variable on Nomad; put it into a file"
        raise Invalid(text, f"{field}.{name}")
    return line
