"""The dashboard in docs: every expression is PromQL, every metric and label is one that the plugin tells."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics_core import Metric

from serai.domain.digest import Digest
from serai.domain.observation import GpuUsage, Usage
from serai.domain.status import State
from serai.domain.window import Clock, SeriesKey, Window
from serai.plugin import VersionFacts
from serai_prometheus.families import make_families
from serai_prometheus.figures import Figures

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana" / "serai.json"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
# What Grafana puts in before it asks; variables may stand for several values, as a regular expression.
FILLED_IN = {"$__rate_interval": "1m", "$deployment": "digits|ocr", "$version": ".*"}


def load_dashboard() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return document


def list_panels() -> list[dict[str, Any]]:
    return [panel for panel in load_dashboard()["panels"] if panel["type"] != "row"]


def list_expressions() -> list[str]:
    return [target["expr"] for panel in list_panels() for target in panel["targets"]]


def fill_in(expression: str) -> str:
    for variable, value in FILLED_IN.items():
        expression = expression.replace(variable, value)
    return expression


def tell_everything() -> Iterator[Metric]:
    """Yield the families of a deployment of which all is known."""
    digest = Digest()
    digest.add(0.1)
    series = {SeriesKey("digits", 3, "r1", "5xx", clock): digest.summary() for clock in Clock}
    gpu = GpuUsage("GPU-1", "H100", 50.0, 1, 2, 61.0, 280.0)
    known = {"disk_used_bytes": 1, "disk_total_bytes": 2, "restarts": 1}
    figures = Figures()
    figures.write_windows([Window("g", 1, NOW.timestamp() - 10, 10.0, series)])
    figures.write_usage([Usage("r1", NOW, 0.5, 0.1, 2.0, 100, 200, (gpu,), **known)])  # type: ignore[arg-type]
    yield from make_families(figures, [VersionFacts("digits", 3, State.RUNNING, 2, 1, ("r1",))], NOW)


def labels_by_name() -> dict[str, set[str]]:
    """Return every name that is told as a sample, with its labels."""
    found: dict[str, set[str]] = {}
    for family in tell_everything():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_metric_and_label_is_told_by_the_plugin() -> None:
    told = labels_by_name()
    for expression in list_expressions():
        for name, selector in re.findall(r"\b(serai_\w+)(?:\{([^}]*)\})?", expression):
            assert name in told, f"{name} of {expression}"
            assert set(re.findall(r"(\w+)(?:=~|!~|!=|=)", selector)) <= told[name], expression


def test_every_figure_that_is_told_is_shown() -> None:
    shown = " ".join(list_expressions())
    missing = [name for name in labels_by_name() if not re.search(rf"\b{name}\b", shown)]
    assert [name for name in missing if not name.endswith(("_created", "_info", "_count", "_sum"))] == []


def test_what_promtool_says_of_the_expressions(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: the dashboard's expressions were not parsed")
    expressions = list_expressions()
    assert len(expressions) > 30
    rules = [{"record": f"dashboard:{place}", "expr": fill_in(one)} for place, one in enumerate(expressions)]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    check = [promtool, "check", "rules", str(path)]
    found = subprocess.run(check, capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert f"{len(rules)} rules found" in found.stdout
    path.write_text(path.read_text().replace("histogram_quantile(0.95, ", "histogram_quantile(0.95 "))
    assert subprocess.run(check, capture_output=True, timeout=60, check=False).returncode != 0


def test_panels_can_be_told_apart_and_lie_beside_each_other() -> None:
    dashboard = load_dashboard()
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_panel_asks_the_chosen_source_about_the_chosen_versions() -> None:
    names = [variable["name"] for variable in load_dashboard()["templating"]["list"]]
    assert names == ["datasource", "deployment", "version"]
    for panel in list_panels():
        assert panel["description"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            selectors = re.findall(r"serai_\w+\{([^}]*)\}", target["expr"])
            assert selectors, target["expr"]
            assert all('deployment=~"$deployment",version=~"$version"' in one for one in selectors)
