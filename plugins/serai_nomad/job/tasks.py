"""The tasks of a replica: the model, and before it, where there is a requirements.txt, the one that installs it."""

from __future__ import annotations

from dataclasses import dataclass

from serai.domain.observation import Workload
from serai_nomad.facts import Json
from serai_nomad.job import drivers, install_script
from serai_nomad.names import INSTALL, PORT_LABEL, TASK
from serai_nomad.settings import NomadSettings

from .bundle_contents import BundleContents
from .bundle_fetch import make_fetch
from .drivers import Driver
from .durations import nanoseconds
from .environment import make_env, make_env_files
from .resources import make_helper_resources, make_resources
from .start_script import make_start_script
from .task_files import make_script
from .volumes import make_mounts


@dataclass(frozen=True, slots=True)
class TaskMaker:
    """Makes the tasks of one workload. `server_url`: where nodes fetch bundles; `core_mhz` for parts of a core."""

    workload: Workload
    settings: NomadSettings
    driver: Driver
    contents: BundleContents
    server_url: str
    core_mhz: int

    def make(self) -> list[Json]:
        """Return the tasks. Whichever runs first fetches the bundle, for both."""
        if self._installs:
            return [self._make_server({}), self._make_install(self._make_fetch())]
        return [self._make_server(self._make_fetch() if self.workload.spec.bundle else {})]

    @property
    def _installs(self) -> bool:
        return bool(self.workload.spec.bundle) and self.contents.has_requirements

    def _make_server(self, fetch: dict[str, object]) -> Json:
        spec, settings = self.workload.spec, self.settings
        optional = {
            "Constraints": drivers.make_constraints(spec, settings, self.driver),
            "VolumeMounts": make_mounts(spec.mounts),
            "Templates": [*self._make_start_script(), *make_env_files(self.workload)],
        }
        return {
            **self._make_task(TASK, drivers.make_config(spec, settings, self.driver)),
            "Env": make_env(self.workload, self._host),
            "Resources": make_resources(spec.resources, self.core_mhz, settings.reserve_cores),
            "KillTimeout": nanoseconds(spec.drain_timeout_s),
            **{key: value for key, value in optional.items() if value},
            **fetch,
        }

    def _make_install(self, fetch: dict[str, object]) -> Json:
        spec, settings = self.workload.spec, self.settings
        shared = settings.environments if self.driver is Driver.RAW_EXEC else ""
        arguments = install_script.make_arguments(settings.python, shared, self.contents, self.driver.is_container)
        script = make_script("install.sh", install_script.make_install_script(self.contents.needs_tar))
        return {
            **self._make_task(INSTALL, drivers.make_install_config(spec, settings, self.driver, arguments)),
            "Lifecycle": {"Hook": "prestart", "Sidecar": False},
            "Templates": [script],
            "Resources": make_helper_resources(spec.resources),
            **fetch,
        }

    def _make_task(self, name: str, config: Json) -> dict[str, object]:
        task: dict[str, object] = {
            "Name": name,
            "Driver": self.driver.value,
            "Config": config,
            "KillSignal": "SIGTERM",
            "LogConfig": {"MaxFiles": 5, "MaxFileSizeMB": 10},
        }
        return task | ({"User": self._user} if self._user else {})

    def _make_start_script(self) -> list[Json]:
        spec = self.workload.spec
        if not drivers.needs_script(spec, self.driver):
            return []
        unpacks = bool(spec.bundle) and self.contents.needs_tar and not self._installs
        return [make_script("start.sh", make_start_script(bool(spec.bundle), unpacks, self._installs))]

    def _make_fetch(self) -> dict[str, object]:
        return make_fetch(self.workload.spec.bundle, self.server_url, self.contents, self._user)

    @property
    def _host(self) -> str:
        """Return what to listen on: the node's address, and in a container with ports of its own all there are."""
        return "0.0.0.0" if drivers.is_mapped(self.driver, self.settings) else f"${{NOMAD_IP_{PORT_LABEL}}}"  # noqa: S104

    @property
    def _user(self) -> str:
        """Who runs the tasks. With exec that is its own default, named so that the bundle's files become theirs."""
        return "nobody" if self.driver is Driver.EXEC else ""
