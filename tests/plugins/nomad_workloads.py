"""Workloads that show everything a Nomad job can be made of, and the job of each in `nomad_jobs/`.

Write the files anew with `WRITE_NOMAD_JOBS=1 pytest tests/plugins/test_nomad_render.py`, and read the difference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from serai.domain.manifest import parse_manifest
from serai.domain.observation import Workload
from serai_nomad.job.bundle_contents import BundleContents
from serai_nomad.job.render import RenderFacts, render_job
from serai_nomad.settings import BundleDriver, ImageDriver, NomadSettings

FOLDER = Path(__file__).parent / "nomad_jobs"
TEMPLATE = Path(__file__).parents[2] / "jobspecs" / "models" / "shared-memory.nomad.hcl"
PARSED = FOLDER / "parsed-template.json"  # what Nomad 2.0.5 made of TEMPLATE; tests/live compares
PARSED_FOR = {"image": "registry.example/llm:3", "gpus": 2, "memory_mb": 65536}
SECRET = "not-to-be-seen"

BUNDLE = "sha256:" + "0123456789abcdef" * 4
EXEC = NomadSettings(namespace="models")
RAW_EXEC = replace(EXEC, bundle_driver=BundleDriver.RAW_EXEC)
FACTS = RenderFacts(
    instance="serai-5f2a",
    server_url="https://serai.example",
    core_mhz=2400,
    owner="alice",
    endpoint="https://models.example/whisper",
)
PACKAGES = BundleContents(requirements="f" * 64)


@dataclass(frozen=True, slots=True)
class Case:
    workload: Workload
    settings: NomadSettings = EXEC
    facts: RenderFacts = FACTS

    def render(self) -> dict[str, Any]:
        return dict(render_job(self.workload, self.settings, self.facts))


def make_whisper(manifest: Mapping[str, object], secrets: Mapping[str, str] | None = None, count: int = 1) -> Workload:
    """Return the workload `whisper-v7` of a manifest."""
    spec = replace(parse_manifest(manifest, "whisper").spec, secrets=dict.fromkeys(secrets or {}, "fingerprint"))
    env = {"SERAI_DEPLOYMENT": "whisper", "SERAI_VERSION": "7", **(secrets or {})}
    return Workload("whisper-v7", "whisper", 7, spec, "9f2c41d07ab3", count, env)


def with_bundle(contents: BundleContents) -> RenderFacts:
    return replace(FACTS, bundle=contents)


def _make_placed() -> Workload:
    placement = {
        "pool": "gpu",
        "datacenters": ["dc1", "dc2"],
        "constraints": ["${node.class} = a100", "${meta.rack} is_set", "distinct_hosts"],
        "affinities": ["${attr.cpu.arch} = arm64", {"match": "${meta.disk} = ssd", "weight": -20}],
        "spread": ["${node.unique.id}", {"attribute": "${meta.rack}", "weight": 100}],
    }
    gpu = {"count": 2, "device": "nvidia/gpu", "model": "A100|H100", "memory": ">= 40GB"}
    return make_whisper({"bundle": BUNDLE, "placement": placement, "resources": {"gpu": gpu}}, count=3)


CASES: Mapping[str, Case] = {
    "folder-exec": Case(make_whisper({"bundle": BUNDLE}), facts=with_bundle(BundleContents())),
    "folder-raw-exec": Case(
        make_whisper(
            {
                "bundle": BUNDLE,
                "command": "python3 serve.py --home ${HOME} %{x}",
                "env": {"LOG_LEVEL": "info", "GREETING": 'Hello ${NAME}\n{{ "x" }} <0<'},
                "health": {"http": "/healthz", "interval": "250ms", "timeout": "1500ms"},
                "start_timeout": "20m",
                "drain_timeout": "5s",
                "port": 8000,
            },
            {"HF_TOKEN": SECRET},
            count=2,
        ),
        RAW_EXEC,
        with_bundle(BundleContents(is_packed=False)),
    ),
    "packages-raw-exec": Case(make_whisper({"bundle": BUNDLE}), RAW_EXEC, with_bundle(PACKAGES)),
    "packages-exec": Case(
        make_whisper({"bundle": BUNDLE, "resources": {"memory": "2GiB"}}),
        replace(EXEC, python="/usr/bin/python3"),
        with_bundle(replace(PACKAGES, names_files=True, needs_tar=True)),
    ),
    "folder-with-links": Case(make_whisper({"bundle": BUNDLE}), facts=with_bundle(BundleContents(needs_tar=True))),
    "command-alone": Case(make_whisper({"command": ["python3", "-c", "print('${HOME}')"]}), RAW_EXEC),
    "image-docker": Case(make_whisper({"image": "registry.example/whisper:7", "command": "serve --port $PORT"})),
    "image-with-ports": Case(
        make_whisper({"image": "registry.example/whisper:7", "command": ["serve", "${X}", "%{y}"], "port": 8000}),
        replace(EXEC, network_mode="", image_pull_timeout_s=90),
    ),
    "image-podman": Case(
        make_whisper({"image": "registry.example/whisper:7", "driver": "podman"}, {"Keys": SECRET}),
        replace(EXEC, image_driver=ImageDriver.PODMAN, network_mode="bridge"),
    ),
    "image-with-folder": Case(
        make_whisper({"image": "registry.example/torch:2", "bundle": BUNDLE, "command": ["python3", "serve.py"]}),
        facts=with_bundle(PACKAGES),
    ),
    "gpus-docker": Case(make_whisper({"image": "registry.example/llm:3", "resources": {"gpu": "2 x H100 >= 80GB"}})),
    "placed": Case(_make_placed(), RAW_EXEC, with_bundle(BundleContents())),
    "sized": Case(
        make_whisper(
            {
                "bundle": BUNDLE,
                "resources": {"cpu": 2, "memory": "1GiB", "memory_max": "2500MB", "disk": "20GB"},
                "mounts": [
                    {"volume": "weights", "path": "/models"},
                    {"volume": "scratch", "path": "/scratch", "read_only": False},
                ],
            }
        ),
        facts=with_bundle(BundleContents()),
    ),
    "template": Case(
        make_whisper({"image": PARSED_FOR["image"], "resources": {"gpu": 2, "memory": "64GiB"}}),
        facts=replace(FACTS, template=json.loads(PARSED.read_text()) if PARSED.exists() else None),
    ),
}
