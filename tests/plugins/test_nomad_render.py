"""Jobs: golden files, what each option changes, what is refused, and that no secret is ever in one."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.domain.errors import Invalid, NotSupported, SeraiError
from serai.domain.manifest import parse_manifest
from serai.domain.observation import Workload
from serai.domain.quantity import Cpu
from serai.domain.spec import Gpu, Resources
from serai_nomad.job.bundle_contents import BundleContents
from serai_nomad.job.devices import make_device
from serai_nomad.job.links import escape_markdown, make_ui
from serai_nomad.job.overlay import has_check
from serai_nomad.job.render import RenderFacts, render_job
from serai_nomad.job.resources import disk_mb, make_resources
from serai_nomad.job.secrets import make_variable_items
from serai_nomad.names import ATTEMPTS, DEPLOYMENT, DIGEST, MANAGED, PROBE, VERSION
from serai_nomad.settings import BundleDriver, ImageDriver, NomadSettings
from tests.plugins.nomad_workloads import (
    BUNDLE,
    CASES,
    EXEC,
    FACTS,
    FOLDER,
    PARSED,
    RAW_EXEC,
    SECRET,
    Case,
    make_whisper,
    with_bundle,
)

MIB, GIB = 2**20, 2**30
WRITE = bool(os.environ.get("WRITE_NOMAD_JOBS"))


@pytest.mark.parametrize("name", CASES)
def test_the_job_is_the_one_that_was_read_and_found_right(name: str) -> None:
    text = json.dumps(CASES[name].render(), indent=2, ensure_ascii=False) + "\n"
    path = FOLDER / f"{name}.json"
    if WRITE:
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


def test_every_golden_file_belongs_to_a_case() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == {*CASES, PARSED.stem}


@pytest.mark.parametrize("name", CASES)
def test_what_holds_for_every_job(name: str) -> None:
    case, job = CASES[name], CASES[name].render()
    assert job["ID"] == case.workload.id
    assert job["Update"] == {"MaxParallel": 0}
    assert job["Meta"] == {
        MANAGED: "serai-5f2a",
        DEPLOYMENT: case.workload.deployment,
        VERSION: str(case.workload.version),
        DIGEST: case.workload.digest,
        ATTEMPTS: str(case.workload.spec.start_attempts),
    } | ({} if has_check(job["TaskGroups"][0]) else {PROBE: f"{case.workload.spec.health.timeout_s:g}"})
    (group,) = job["TaskGroups"]
    (server,) = [task for task in group["Tasks"] if "Lifecycle" not in task]
    assert (group["Name"], server["Name"], group["Count"]) == ("model", "server", case.workload.count)
    assert server["Env"]["PORT"] == "${NOMAD_PORT_http}"
    assert len(server["Resources"].get("Devices", [])) <= 1
    assert SECRET not in json.dumps(job)


@pytest.mark.parametrize("name", CASES)
def test_the_count_changes_nothing_but_the_count(name: str) -> None:
    case = CASES[name]
    more = replace(case, workload=replace(case.workload, count=9)).render()
    more["TaskGroups"][0]["Count"] = case.workload.count
    assert more == case.render()


def task_of(manifest: dict[str, object], settings: NomadSettings = EXEC, facts: RenderFacts = FACTS) -> dict[str, Any]:
    task: dict[str, Any] = render_job(make_whisper(manifest), settings, facts)["TaskGroups"][0]["Tasks"][0]
    return task


# resources -> what Nomad is asked for
SIZES = [
    (Resources(), {"CPU": 100, "MemoryMB": 300}),
    (Resources(cpu=Cpu(cores=2)), {"Cores": 2, "MemoryMB": 300}),
    (Resources(cpu=Cpu(cores=0.5)), {"CPU": 1200, "MemoryMB": 300}),
    (Resources(cpu=Cpu(cores=1.5)), {"CPU": 3600, "MemoryMB": 300}),
    (Resources(cpu=Cpu(cores=0.0001)), {"CPU": 1, "MemoryMB": 300}),
    (Resources(cpu=Cpu(mhz=1500)), {"CPU": 1500, "MemoryMB": 300}),
    (Resources(memory_bytes=GIB), {"CPU": 100, "MemoryMB": 1024}),
    (Resources(memory_bytes=GIB + 1), {"CPU": 100, "MemoryMB": 1025}),
    (Resources(memory_bytes=1), {"CPU": 100, "MemoryMB": 10}),
    (Resources(memory_bytes=GIB, memory_max_bytes=2 * GIB), {"CPU": 100, "MemoryMB": 1024, "MemoryMaxMB": 2048}),
    (Resources(memory_bytes=GIB, memory_max_bytes=GIB), {"CPU": 100, "MemoryMB": 1024}),
    (Resources(memory_max_bytes=GIB), {"CPU": 100, "MemoryMB": 300, "MemoryMaxMB": 1024}),
    (Resources(memory_max_bytes=100 * MIB), {"CPU": 100, "MemoryMB": 100}),
]


@pytest.mark.parametrize(("resources", "asked"), SIZES)
def test_resources(resources: Resources, asked: dict[str, int]) -> None:
    assert make_resources(resources, 2400, reserve_cores=True) == asked


def test_cores_can_be_asked_for_in_mhz() -> None:
    assert make_resources(Resources(cpu=Cpu(cores=2)), 2400, reserve_cores=False) == {"CPU": 4800, "MemoryMB": 300}


@pytest.mark.parametrize(("asked", "mb"), [(None, 300), (MIB, 300), (10 * GIB, 10240), (10 * GIB + 1, 10241)])
def test_disk(asked: int | None, mb: int) -> None:
    assert disk_mb(Resources(disk_bytes=asked)) == mb


MODEL = {"LTarget": "${device.model}", "Operand": "regexp", "RTarget": "(?i)A100|H100"}
MEMORY = {"LTarget": "${device.attr.memory}", "Operand": ">=", "RTarget": "40960 MiB"}
DEVICES = [
    (Gpu(2), {"Name": "gpu", "Count": 2}),
    (Gpu(1, device="nvidia/gpu/NVIDIA L4"), {"Name": "nvidia/gpu/NVIDIA L4", "Count": 1}),
    (Gpu(1, "A100|H100"), {"Name": "gpu", "Count": 1, "Constraints": [MODEL]}),
    (Gpu(1, "A100|H100", 40 * GIB), {"Name": "gpu", "Count": 1, "Constraints": [MODEL, MEMORY]}),
    (
        Gpu(1, "", 40 * GIB + 1),
        {"Name": "gpu", "Count": 1, "Constraints": [{**MEMORY, "RTarget": "40961 MiB"}]},
    ),
]


@pytest.mark.parametrize(("gpu", "device"), DEVICES)
def test_devices(gpu: Gpu, device: dict[str, object]) -> None:
    assert make_device(gpu) == device


def test_a_gpu_is_told_to_cuda_by_every_driver() -> None:
    for manifest in ({"bundle": BUNDLE}, {"image": "a:1"}, {"image": "a:1", "bundle": BUNDLE}):
        files = task_of({**manifest, "resources": {"gpu": 1}})["Templates"]
        assert [file["DestPath"] for file in files if "CUDA_VISIBLE_DEVICES" in file["EmbeddedTmpl"]] == [
            "secrets/serai/gpus.env"
        ]


RUNTIME = [{"LTarget": "${attr.driver.docker.runtimes}", "Operand": "set_contains", "RTarget": "nvidia"}]
GPU_NODES: list[tuple[dict[str, object], NomadSettings, object]] = [
    ({"image": "a:1", "resources": {"gpu": 1}}, EXEC, RUNTIME),
    ({"image": "a:1", "resources": {"gpu": "nvidia/gpu"}}, EXEC, RUNTIME),
    ({"image": "a:1", "resources": {"gpu": "amd/gpu"}}, EXEC, None),
    ({"image": "a:1", "resources": {"gpu": 1}}, replace(EXEC, docker_gpu_runtime=False), None),
    ({"image": "a:1"}, EXEC, None),
    ({"bundle": BUNDLE, "resources": {"gpu": 1}}, EXEC, None),
    ({"image": "a:1", "resources": {"gpu": 1}}, replace(EXEC, image_driver=ImageDriver.PODMAN), None),
]


@pytest.mark.parametrize(("manifest", "settings", "constraints"), GPU_NODES)
def test_docker_needs_a_runtime_for_gpus(manifest: Any, settings: NomadSettings, constraints: object) -> None:
    assert task_of(manifest, settings).get("Constraints") == constraints


# manifest, settings -> driver
DRIVERS: list[tuple[dict[str, object], NomadSettings, str]] = [
    ({"bundle": BUNDLE}, EXEC, "exec"),
    ({"bundle": BUNDLE}, RAW_EXEC, "raw_exec"),
    ({"bundle": BUNDLE, "driver": "exec"}, EXEC, "exec"),
    ({"bundle": BUNDLE, "driver": "raw_exec"}, replace(EXEC, drivers=("raw_exec",)), "raw_exec"),
    ({"image": "a:1"}, EXEC, "docker"),
    ({"image": "a:1", "bundle": BUNDLE}, RAW_EXEC, "docker"),
    ({"image": "a:1"}, replace(EXEC, image_driver=ImageDriver.PODMAN), "podman"),
    ({"image": "a:1", "driver": "podman"}, replace(EXEC, drivers=("podman",)), "podman"),
]


@pytest.mark.parametrize(("manifest", "settings", "driver"), DRIVERS)
def test_the_driver(manifest: Any, settings: NomadSettings, driver: str) -> None:
    assert task_of(manifest, settings)["Driver"] == driver


# manifest, settings -> the error, what it says
REFUSED: list[tuple[dict[str, object], NomadSettings, type[SeraiError], str]] = [
    ({"bundle": BUNDLE, "driver": "raw_exec"}, EXEC, NotSupported, "plugin.nomad.drivers"),
    ({"image": "a:1", "driver": "podman"}, EXEC, NotSupported, "where docker is used"),
    ({"bundle": BUNDLE, "driver": "qemu"}, EXEC, NotSupported, "exec, raw_exec, docker, podman"),
    ({"bundle": BUNDLE, "driver": "docker"}, EXEC, Invalid, "add image"),
    ({"image": "a:1", "driver": "exec"}, EXEC, Invalid, "docker or podman"),
    ({"bundle": BUNDLE, "mounts": [{"volume": "w", "path": "/w"}]}, RAW_EXEC, NotSupported, "the node's own files"),
    ({"bundle": BUNDLE, "mounts": [{"volume": "w", "path": "/${w}"}]}, EXEC, Invalid, "mounts[0].path"),
    ({"bundle": BUNDLE, "health": {"http": "/${node.class}"}}, EXEC, Invalid, "health.http"),
    ({"bundle": BUNDLE, "placement": {"constraints": ["a"]}}, EXEC, Invalid, "placement.constraints[0]"),
    ({"bundle": BUNDLE, "placement": {"affinities": ["distinct_hosts"]}}, EXEC, Invalid, "placement.affinities[0]"),
    ({"bundle": BUNDLE, "placement": {"spread": ["rack"]}}, EXEC, Invalid, "placement.spread[0]"),
    ({"bundle": BUNDLE, "env": {"A": "${x}" + "\n" * 40_000}}, EXEC, Invalid, "env.A"),
]


@pytest.mark.parametrize(("manifest", "settings", "error", "part"), REFUSED)
def test_what_cannot_run_is_refused(manifest: Any, settings: NomadSettings, error: type[SeraiError], part: str) -> None:
    with pytest.raises(error) as caught:
        task_of(manifest, settings)
    assert part in caught.value.message


def test_a_check_is_never_quicker_than_nomad_allows() -> None:
    for interval, timeout, expected in [("50ms", "50ms", (1, 1)), ("1s", "1.5s", (1, 1.5)), ("10s", "3s", (10, 3))]:
        health = {"http": "/", "interval": interval, "timeout": timeout}
        job = render_job(make_whisper({"health": health}), RAW_EXEC, FACTS)
        check = job["TaskGroups"][0]["Services"][0]["Checks"][0]
        assert (check["Interval"], check["Timeout"]) == tuple(round(seconds * 1e9) for seconds in expected)


def test_a_port_is_probed_by_serai_and_a_path_checked_by_nomad() -> None:
    cases = [({}, 0, "1"), ({"tcp": True, "timeout": "250ms"}, 0, "0.25"), ({"http": "/"}, 1, None)]
    for health, checks, probe in cases:
        job = render_job(make_whisper({"health": health}), RAW_EXEC, FACTS)
        assert len(job["TaskGroups"][0]["Services"][0].get("Checks", ())) == checks
        assert job["Meta"].get(PROBE) == probe


def test_where_bundles_come_from_and_where_people_go_can_differ() -> None:
    settings = replace(EXEC, bundle_url="http://10.0.0.5:8080/")
    job = render_job(make_whisper({"bundle": BUNDLE}), settings, with_bundle(BundleContents()))
    artifact = job["TaskGroups"][0]["Tasks"][0]["Artifacts"][0]
    assert artifact["GetterSource"] == f"http://10.0.0.5:8080/api/v1/bundles/{BUNDLE}"
    assert job["UI"]["Links"][0]["URL"] == "https://serai.example/d/whisper"


def test_a_lost_replica_may_be_replaced_at_once() -> None:
    group = render_job(make_whisper({}), replace(RAW_EXEC, lost_after_s=0), FACTS)["TaskGroups"][0]
    assert "Disconnect" not in group


def test_the_description_is_short_and_shows_what_was_meant() -> None:
    ui = make_ui(make_whisper({}), "", "", "*" * 5000)
    assert len(ui["Description"]) <= 1000
    assert ui["Links"] == []
    assert escape_markdown("[x](javascript:1)\n# y") == r"\[x\]\(javascript\:1\) \# y"


def test_only_addresses_of_the_web_become_links() -> None:
    assert [link["URL"] for link in make_ui(make_whisper({}), "", "javascript:alert(1)", "")["Links"]] == []


names = st.from_regex(r"[A-Z][A-Z_]{0,8}", fullmatch=True).filter(lambda name: not re.match("PORT$|SERAI_", name))
values = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)


@given(
    secrets=st.dictionaries(names, values.map(lambda text: f"<{SECRET}>{text}"), min_size=1, max_size=5),
    env=st.dictionaries(names, values, max_size=5),
    name=st.sampled_from(sorted(CASES)),
)
def test_no_secret_is_ever_in_a_job(secrets: dict[str, str], env: dict[str, str], name: str) -> None:
    case = CASES[name]
    base: Workload = case.workload
    manifest_env = parse_manifest({"env": env}, "x").spec.env
    workload = replace(base, spec=replace(base.spec, env=manifest_env), env={**base.env, **secrets})
    job = json.dumps(replace(case, workload=workload).render(), ensure_ascii=False)
    assert SECRET not in job
    assert make_variable_items(workload).items() >= secrets.items()


def test_secrets_have_to_fit_into_a_variable() -> None:
    with pytest.raises(Invalid, match="65536"):
        make_variable_items(make_whisper({}, {"A": "x" * 65_536}))
    with pytest.raises(Invalid, match=r"secrets\.A"):  # each line break takes two bytes where Nomad reads it
        render_job(make_whisper({}, {"A": "\n" * 40_000}), RAW_EXEC, FACTS)
    assert make_variable_items(make_whisper({})) == {}


def test_bundle_driver_of_the_settings_is_known_to_rendering() -> None:
    for driver in BundleDriver:
        assert Case(make_whisper({}), replace(EXEC, bundle_driver=driver)).render()
    for image_driver in ImageDriver:
        assert Case(make_whisper({"image": "a:1"}), replace(EXEC, image_driver=image_driver)).render()
