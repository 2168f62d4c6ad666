"""An operator's template: what it may change, what it must not, and how an unfit one is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serai.domain.errors import SchedulerError
from serai_nomad.job.overlay import overlay_template
from serai_nomad.job.template import load_template, make_variables
from tests.plugins.nomad_workloads import BUNDLE, CASES, EXEC, PARSED, PARSED_FOR, TEMPLATE, make_whisper

Json = dict[str, Any]
OURS = CASES["gpus-docker"].render()


def empty_template(**task: Any) -> Json:
    """Return what Nomad's parser gives for a job that says nothing, with keys of its task."""
    template: Json = json.loads(PARSED.read_text())
    template["Priority"] = None
    (group,) = template["TaskGroups"]
    group |= {"Constraints": None, "RestartPolicy": None}
    group["Tasks"][0] |= {"Driver": "", "Config": {}, "Env": None, "LogConfig": None, **task}
    return template


def test_a_template_that_says_nothing_changes_nothing() -> None:
    assert overlay_template(OURS, empty_template()) == OURS


def test_what_serai_owns_stays() -> None:
    template = empty_template(Name="mine")
    template |= {"ID": "x", "Name": "x", "Namespace": "x", "Type": "batch", "Update": {"MaxParallel": 1}}
    template["Meta"] = {"serai.digest": "forged", "team": "nlp"}
    template["TaskGroups"][0] |= {"Name": "g", "Count": 9, "Update": None}
    job = overlay_template(OURS, template)
    assert job == {**OURS, "Meta": {"team": "nlp", **OURS["Meta"]}}


def test_what_the_template_says_wins_and_lists_are_joined() -> None:
    template = empty_template(
        Env={"PORT": "1", "TEAM": "nlp"},
        Config={"shm_size": 7},
        Templates=[{"DestPath": "local/x"}],
        Resources={"CPU": None, "Cores": 4, "MemoryMB": 512, "Devices": None},
        KillSignal="SIGINT",
    )
    template |= {"Priority": 70, "Constraints": [{"LTarget": "${a}", "Operand": "is_set"}], "NodePool": "big"}
    template["TaskGroups"][0]["Volumes"] = {"w": {"Type": "host", "Source": "w"}}
    job = overlay_template(OURS, template)
    task, ours = job["TaskGroups"][0]["Tasks"][0], OURS["TaskGroups"][0]["Tasks"][0]
    assert (job["Priority"], job["NodePool"], len(job["Constraints"])) == (70, "big", 1)
    assert task["Env"] == {"TEAM": "nlp", **ours["Env"]}
    assert task["Config"] == {**ours["Config"], "shm_size": 7}
    assert task["Templates"] == [*ours["Templates"], {"DestPath": "local/x"}]
    assert task["Resources"] == {"Cores": 4, "MemoryMB": 512, "Devices": ours["Resources"]["Devices"]}
    assert task["KillSignal"] == "SIGINT"
    assert set(job["TaskGroups"][0]["Volumes"]) == {"w"}


def test_another_driver_brings_its_own_config() -> None:
    job = overlay_template(OURS, empty_template(Driver="podman", Config={"image": "b"}))
    task = job["TaskGroups"][0]["Tasks"][0]
    assert (task["Driver"], task["Config"]) == ("podman", {"image": "b"})


def test_a_check_of_the_template_replaces_ours_and_a_service_without_one_does_not() -> None:
    def with_service(service: Json) -> list[Json]:
        template = empty_template()
        template["TaskGroups"][0]["Services"] = [service]
        found: list[Json] = overlay_template(OURS, template)["TaskGroups"][0]["Services"]
        return found

    ours = OURS["TaskGroups"][0]["Services"]
    assert with_service({"Name": "a", "Checks": [{"Type": "tcp"}]}) == [{"Name": "a", "Checks": [{"Type": "tcp"}]}]
    assert with_service({"Name": "a", "Checks": None}) == [{"Name": "a", "Checks": None}, *ours]


def test_helpers_of_both_stay() -> None:
    template = empty_template()
    template["TaskGroups"][0]["Tasks"].append({"Name": "logs", "Lifecycle": {"Hook": "poststart", "Sidecar": True}})
    ours = CASES["packages-exec"].render()
    assert [task["Name"] for task in overlay_template(ours, template)["TaskGroups"][0]["Tasks"]] == [
        "server",
        "install",
        "logs",
    ]


def no_group(template: Json) -> None:
    template["TaskGroups"] = None


def two_groups(template: Json) -> None:
    template["TaskGroups"] *= 2


def two_tasks(template: Json) -> None:
    template["TaskGroups"][0]["Tasks"] *= 2


def no_main_task(template: Json) -> None:
    template["TaskGroups"][0]["Tasks"][0]["Lifecycle"] = {"Hook": "prestart"}


def periodic(template: Json) -> None:
    template["Periodic"] = {"Spec": "@daily"}


def no_port(template: Json) -> None:
    template["TaskGroups"][0]["Networks"] = [{"Mode": "bridge", "DynamicPorts": [{"Label": "api"}]}]


def bare_driver(template: Json) -> None:
    template["TaskGroups"][0]["Tasks"][0] |= {"Driver": "java", "Config": None}


UNFIT: list[tuple[Callable[[Json], None], str]] = [
    (no_group, "has 0 groups"),
    (two_groups, "has 2 groups"),
    (two_tasks, "has 2 main tasks (server, server)"),
    (no_main_task, "has 0 main tasks (none)"),
    (periodic, "has Periodic"),
    (no_port, 'port "http"'),
    (bare_driver, "java without a config"),
]


@pytest.mark.parametrize(("change", "part"), UNFIT)
def test_an_unfit_template_is_refused(change: Callable[[Json], None], part: str) -> None:
    template = copy.deepcopy(empty_template())
    change(template)
    with pytest.raises(SchedulerError) as caught:
        overlay_template(OURS, template)
    assert caught.value.code == "template-unfit"
    assert part in caught.value.message


def test_the_file_and_its_variables_go_to_the_parser(tmp_path: Path) -> None:
    asked: list[tuple[str, Mapping[str, object]]] = []

    def parse(text: str, variables: Mapping[str, object]) -> Json:
        asked.append((text, variables))
        return {"ID": "parsed"}

    workload = make_whisper({"image": "registry.example/llm:3", "resources": {"gpu": 2, "memory": "64GiB"}}, count=4)
    assert load_template(workload, EXEC, parse) is None
    assert load_template(workload, replace(EXEC, template=TEMPLATE), parse) == {"ID": "parsed"}
    ((text, variables),) = asked
    assert text == TEMPLATE.read_text()
    assert variables.items() >= {**PARSED_FOR, "count": 4, "id": "whisper-v7"}.items()
    with pytest.raises(SchedulerError, match="cannot be read"):
        load_template(workload, replace(EXEC, template=tmp_path / "none.hcl"), parse)


def test_every_variable_is_named_in_the_example() -> None:
    text = TEMPLATE.read_text()
    assert [name for name in make_variables(make_whisper({"bundle": BUNDLE}), EXEC) if name not in text] == []
