"""`serai capacity` and the end of `serai deploy --dry-run` on what a cluster answers: tables, sentences, exit codes."""

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner

from serai.cli.capacity import describe_gpus, describe_tenants
from serai.cli.fit import finish_fit
from serai.cli.output import Output

GIB = 2**30


def gpu(id: str, state: str, taken_by: str = "", problem: str = "", model: str = "A100") -> dict[str, Any]:
    healthy = state != "unhealthy"
    return {
        "id": id, "model": model, "memory": 80 * GIB, "state": state, "taken_by": taken_by, "healthy": healthy,
        "problem": problem,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("gpus", "lines"),
    [
        ([], []),
        ([gpu("1", "free"), gpu("2", "taken", "bert-v1")], ["2 A100 80 GiB: 1 free, 1 bert-v1"]),
        (
            [gpu("1", "taken", "bert-v1"), gpu("2", "taken", "bert-v1"), gpu("3", "taken", "other"), gpu("4", "away")],
            ["4 A100 80 GiB: 1 away, 2 bert-v1, 1 other"],
        ),
        (
            [gpu("1", "unhealthy", "bert-v1", "ECC error"), gpu("2", "free", model="L4")],
            ["1 A100 80 GiB: 1 unhealthy (1: ECC error, held by bert-v1)", "1 L4 80 GiB: 1 free"],
        ),
    ],
)
def test_a_line_a_model_says_who_has_what(gpus: list[dict[str, Any]], lines: list[str]) -> None:
    assert list(describe_gpus(gpus)) == lines


def tenant(replicas: int, cpu: float | str | None = None, memory: int | None = None) -> dict[str, Any]:
    return {"deployment": "digits", "version": 2, "replicas": replicas, "cpu": cpu, "memory": memory}


@pytest.mark.parametrize(
    ("tenants", "lines"),
    [
        ([], []),
        ([tenant(3, 2.0, GIB), tenant(1, 1.0)], ["3 digits v2: 2 cores, 1 GiB each", "1 digits v2: 1 core"]),
        ([tenant(1, "1500MHz", 64 * GIB), tenant(2)], ["1 digits v2: 1500MHz, 64 GiB", "2 digits v2"]),
    ],
)
def test_a_line_a_version_says_who_takes_what(tenants: list[dict[str, Any]], lines: list[str]) -> None:
    assert list(describe_tenants(tenants)) == lines


REASON = {
    "code": "gpu-taken", "text": "All are taken.", "help": "Wait.", "log": [], "exit_code": None,
    "funnel": [{"step": "in the pool gpu", "nodes": 5}, {"step": "with free GPUs", "nodes": 0}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("fit", "code", "said"),
    [
        (
            {"verdict": "now", "placeable": 2, "nodes": list("abcdefg"), "reason": None},
            0,
            ["It fits now: 2 replicas would get a place at once on a, b, c, d, e or 2 more."],
        ),
        (
            {"verdict": "later", "placeable": 0, "nodes": [], "reason": REASON},
            4,
            [
                "It does not fit now: no replica would get a place at once.",
                "All are taken.",
                "Machines: 5 in the pool gpu > 0 with free GPUs",
                "What helps: Wait.",
            ],
        ),
        (
            {"verdict": "never", "placeable": 1, "nodes": ["a"], "reason": REASON | {"funnel": [], "help": ""}},
            3,
            ["It can never fit: 1 replica would get a place at once on a.", "All are taken."],
        ),
    ],
)
def test_a_dry_run_ends_with_a_sentence_and_a_code(fit: dict[str, Any], code: int, said: list[str]) -> None:
    result = CliRunner().invoke(click.Command("fit", callback=lambda: finish_fit(Output(as_json=False), fit)))
    assert result.exit_code == code
    assert result.stdout.splitlines() == said
