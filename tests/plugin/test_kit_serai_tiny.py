"""The example of a third party's scheduler passes the kit and is found as an installed package would be."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from serai.plugin import PluginContext
from serai.plugin.registry import load_plugins
from serai.plugin.scheduler import Scheduler
from serai.plugin.testing.schedulers import SchedulerContract

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugins" / "serai_tiny"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lay out what pip leaves behind: the package and the metadata with its entry points."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    info = tmp_path / "site" / "serai_tiny-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = project["entry-points"]["serai"]
    (info / "entry_points.txt").write_text("[serai]\n" + "".join(f"{name} = {points[name]}\n" for name in points))
    monkeypatch.syspath_prepend(str(info.parent))
    monkeypatch.syspath_prepend(str(EXAMPLE))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "serai_tiny"]:
        del sys.modules[name]


@pytest.mark.usefixtures("installed")
class TestSeraiTiny(SchedulerContract):
    @pytest.fixture
    def scheduler(self, installed: None, tmp_path: Path) -> Iterator[Scheduler]:
        plugins = load_plugins(["tiny"])
        schedulers = plugins.make_schedulers(
            lambda name: PluginContext(tmp_path / name, {}, lambda bundle: tmp_path / bundle, "http://127.0.0.1")
        )
        yield schedulers["tiny"]
        plugins.close()


@pytest.mark.usefixtures("installed")
def test_it_is_described_with_its_version() -> None:
    (info,) = load_plugins(["tiny"]).describe()
    assert (info.name, info.version, info.hooks) == ("tiny", "0.1.0", ("serai_register_scheduler",))


def test_it_stays_small() -> None:
    lines = (EXAMPLE / "serai_tiny" / "plugin.py").read_text().splitlines()
    assert len(lines) <= 120
