"""The digits example on a real Nomad: from its folder by raw_exec and by exec, and as an image that no registry has."""

from __future__ import annotations

import importlib.util
import io
import json
import tarfile
import urllib.request
from pathlib import Path

import pytest
import yaml

from tests.live.agent import Agent
from tests.live.conftest import AgentFactory, SeraiFactory
from tests.live.docker import Dockerd, make_python_root, shared_libraries
from tests.live.serai_server import NomadInstallation
from tests.system.installation import ROOT

pytestmark = pytest.mark.slow
DIGITS = ROOT / "examples" / "digits"
PACKAGES = (
    "numpy", "numpy.libs", "scipy", "scipy.libs", "sklearn", "scikit_learn.libs", "joblib", "cloudpickle",
    "threadpoolctl.py", "narwhals",
)  # fmt: skip
DEBIANS = tuple(Path("/usr/lib").glob("python3*"))


def ask(serai: NomadInstallation) -> int:
    body = (DIGITS / "seven.json").read_bytes()
    request = urllib.request.Request(f"{serai.gateway}/digits/predict", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return int(json.load(answer)["digit"])


def deploy(serai: NomadInstallation) -> None:
    done = serai.run("deploy", str(DIGITS), "--json", timeout_s=170)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{serai.log.read_text()[-3000:]}"


def test_from_its_folder_by_raw_exec(agent: Agent, namespace: str, serai_on: SeraiFactory) -> None:
    serai = serai_on(agent, namespace, plugin={"shutdown_delay": "0s"})
    deploy(serai)
    assert ask(serai) == 7


def test_from_its_folder_by_exec(fresh_agent: AgentFactory, serai_on: SeraiFactory) -> None:
    """In the chroot is Debian's Python, as it would be on a node: the tests' own may lack what pip needs there."""
    if not any((place / "ensurepip").exists() for place in DEBIANS):
        pytest.skip("digits by exec: /usr/bin/python3 with python3-venv is not installed")
    agent = fresh_agent(chroot={str(place): str(place) for place in DEBIANS})
    plugin = {"bundle_driver": "exec", "python": "/usr/bin/python3", "shutdown_delay": "0s"}
    serai = serai_on(agent, plugin=plugin)
    deploy(serai)
    assert ask(serai) == 7


def test_as_an_image(agent: Agent, namespace: str, serai_on: SeraiFactory, dockerd: Dockerd, tmp_path: Path) -> None:
    image = dockerd.import_image(make_digits_root(), "digits:test")
    serai = serai_on(agent, namespace, plugin={"shutdown_delay": "0s"})
    manifest = {
        "image": image,
        "command": ["python3", "/digits/server.py"],
        "health": {"http": "/healthz", "interval": "1s"},
        "env": {"PYTHONPATH": "/packages", "OMP_NUM_THREADS": "1"},
        "resources": {"memory": "512MiB"},
    }
    folder = tmp_path / "digits"
    folder.mkdir()
    (folder / "serai.yaml").write_text(yaml.safe_dump(manifest))
    done = serai.run("deploy", str(folder), "--json", timeout_s=100)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert ask(serai) == 7


def make_digits_root() -> bytes:
    """Return Python, scikit-learn and the example as the layers of one image."""
    found = importlib.util.find_spec("sklearn")
    assert found is not None and found.origin is not None
    site = Path(found.origin).parents[1]
    buffer = io.BytesIO(make_python_root())
    with tarfile.open(fileobj=buffer, mode="a") as tar:
        tar.add(DIGITS, "digits")
        modules = [module for name in PACKAGES for module in (site / name).rglob("*.so*")]
        there = set(tar.getnames())
        for shared in shared_libraries(modules):
            if site not in shared.parents and str(shared).lstrip("/") not in there:
                tar.add(shared.resolve(), str(shared).lstrip("/"))
        for name in PACKAGES:
            if (site / name).exists():
                tar.add(site / name, f"packages/{name}", filter=_without_tests)
    return buffer.getvalue()


def _without_tests(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if Path(info.name).name in {"tests", "__pycache__"} else info
