"""Real Nomad agents for tests. Every test here is marked `nomad`; without a `nomad` on PATH all are skipped.

Which fixture to take:

* `agent` (session): one `-dev` agent, server and client: raw_exec, exec, docker where possible, mock_driver if built in
* `namespace`: a fresh namespace of the session's agent, purged afterwards
* `fresh_agent(**options)`: another `-dev` agent (`acl=True, plugin_dir=..., node_class=...`), gone after the test
* `cluster(servers=3, clients=2, **options)`: processes of their own, so that replicas survive restarts
* `docker_image` (session): the name of an image with python3 that the session's agent can run; skips without docker
* `dockerd` (session): its daemon, for other agents: `cluster(docker=dockerd.url)`
* `serai`: a Serai server and gateway whose models run in the test's `namespace` of the session's agent by raw_exec
* `serai_on(agent_or_cluster, namespace, plugin={...}, settings={...})`: the same elsewhere or otherwise
* `scheduler`: a NomadScheduler on the test's namespace; `nomad_settings`: its NomadSettings; `nomad_api`: a NomadApi

Tests that share a heavy fixture run one after the other on one worker of pytest-xdist, so each is started once.
`agent` and what the factories return are `tests.live.agent.Agent` and `tests.live.cluster.Cluster`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Protocol

import pytest

from serai.domain.errors import NotFound
from serai.plugin import PluginContext, Scheduler
from serai_nomad.agent.api import NomadApi
from serai_nomad.plugin import NomadPlugin
from serai_nomad.settings import NomadSettings, load_settings
from tests.live.agent import Agent, make_dev_agent
from tests.live.cluster import Cluster
from tests.live.docker import Dockerd, Unavailable, make_python_root
from tests.live.leftovers import end_leftovers, make_folder
from tests.live.serai_server import NomadInstallation, make_place
from tests.live.surroundings import find_nomad

HERE = Path(__file__).parent
# The first of these that a test uses says which tests it shares a worker with.
GROUPS = ("cluster", "fresh_agent", "agent")


class AgentFactory(Protocol):
    """Start a `-dev` agent; the options are the fields of `tests.live.options.Options`."""

    def __call__(self, **options: Any) -> Agent: ...


class ClusterFactory(Protocol):
    """Start a cluster of processes of their own; the options are those of `tests.live.options.Options`.

    `clients` is a number, or a list of one mapping of options for each client.
    """

    def __call__(self, servers: int = 3, clients: Any = 2, **options: Any) -> Cluster: ...


class SeraiFactory(Protocol):
    """Start a Serai on an agent or a cluster; the arguments are those of `NomadInstallation`."""

    def __call__(self, nomad: Agent | Cluster, namespace: str = "default", **more: Any) -> NomadInstallation: ...


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            _mark(item, getattr(item, "fixturenames", ()))


def _mark(item: pytest.Item, fixtures: Any) -> None:
    item.add_marker(pytest.mark.nomad)
    if "cluster" in fixtures:
        item.add_marker(pytest.mark.slow)
    group = next((name for name in GROUPS if name in fixtures), None)
    if group is not None and item.get_closest_marker("xdist_group") is None:
        item.add_marker(pytest.mark.xdist_group(f"nomad-{group}"))


@pytest.fixture(scope="session")
def nomad() -> Path:
    """The `nomad` on PATH; agents that a killed earlier run left behind are ended first."""
    end_leftovers()
    return find_nomad()


@pytest.fixture(scope="session")
def docker_or_reason(nomad: Path) -> Iterator[Dockerd | str]:
    """A Docker daemon, or why there is none."""
    with make_folder("docker") as folder:
        try:
            daemon = Dockerd(folder)
        except Unavailable as error:
            yield str(error)
            return
        yield daemon
        daemon.close()


@pytest.fixture(scope="session")
def dockerd(docker_or_reason: Dockerd | str) -> Dockerd:
    if isinstance(docker_or_reason, str):
        pytest.skip(docker_or_reason)
    return docker_or_reason


@pytest.fixture(scope="session")
def docker_image(dockerd: Dockerd) -> str:
    """An image with /bin/sh and python3; its tasks use `network_mode = "host"`, as the daemon has no bridge."""
    return dockerd.import_image(make_python_root())


@pytest.fixture(scope="session")
def agent(nomad: Path, docker_or_reason: Dockerd | str) -> Iterator[Agent]:
    """The session's agent. Use a `namespace` of your own on it, and leave its node as it was."""
    docker = "" if isinstance(docker_or_reason, str) else docker_or_reason.url
    with make_folder("agent") as folder, make_dev_agent(folder, nomad, docker=docker) as agent:
        yield agent


@pytest.fixture
def namespace(agent: Agent) -> Iterator[str]:
    """The name of a fresh namespace on the session's agent; its jobs are purged and it is deleted afterwards."""
    with agent.api.namespace() as name:
        yield name


@pytest.fixture
def fresh_agent(nomad: Path) -> Iterator[AgentFactory]:
    """Start agents of the test's own."""
    with ExitStack() as stack:

        def start(**options: Any) -> Agent:
            folder = stack.enter_context(make_folder("fresh"))
            return stack.enter_context(make_dev_agent(folder, nomad, **options))

        yield start


@pytest.fixture
def cluster(nomad: Path) -> Iterator[ClusterFactory]:
    """Start clusters of the test's own."""
    with ExitStack() as stack:

        def start(servers: int = 3, clients: Any = 2, **options: Any) -> Cluster:
            folder = stack.enter_context(make_folder("cluster"))
            return stack.enter_context(Cluster(folder, nomad, servers, clients, **options))

        yield start


@pytest.fixture
def serai_on(tmp_path: Path) -> Iterator[SeraiFactory]:
    """Start installations of the test's own."""
    with ExitStack() as stack:

        def start(nomad: Agent | Cluster, namespace: str = "default", **more: Any) -> NomadInstallation:
            folder = tmp_path / f"serai-{namespace}"
            made = NomadInstallation(folder, nomad, namespace, **more)
            stack.callback(made.close)
            made.start()
            return made

        yield start


@pytest.fixture
def serai(agent: Agent, namespace: str, tmp_path: Path) -> Iterator[NomadInstallation]:
    """An installation on the session's agent. It ends before its namespace is purged: else it would set that right."""
    with closing(NomadInstallation(tmp_path / "serai", agent, namespace)) as made:
        made.start()
        yield made


@pytest.fixture
def nomad_settings(agent: Agent, namespace: str) -> NomadSettings:
    """The plugin's settings for the test's namespace of the session's agent."""
    return load_settings(make_place(agent) | {"namespace": namespace, "bundle_driver": "raw_exec"}, env={})


@pytest.fixture
def nomad_api(nomad_settings: NomadSettings) -> Iterator[NomadApi]:
    with closing(NomadApi(nomad_settings)) as api:
        yield api


@pytest.fixture
def scheduler(agent: Agent, namespace: str, tmp_path: Path) -> Iterator[Scheduler]:
    """The plugin's scheduler on the test's namespace. It has no bundles: versions bring their command or image."""

    def refuse(digest: str) -> Path:
        raise NotFound(f"there is no bundle {digest} in this test")

    settings = make_place(agent) | {"namespace": namespace, "bundle_driver": "raw_exec"}
    context = PluginContext(tmp_path / "nomad", settings, refuse, "http://127.0.0.1:1")
    with closing(NomadPlugin().serai_register_scheduler(context)) as scheduler:
        yield scheduler
