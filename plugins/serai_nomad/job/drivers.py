"""Which of Nomad's task drivers runs a version, and what it is told."""

from __future__ import annotations

from enum import StrEnum

from serai.domain.errors import Invalid, NotSupported
from serai.domain.spec import Spec
from serai_nomad.facts import Json
from serai_nomad.names import PORT_LABEL
from serai_nomad.settings import NomadSettings

from .interpolation import escape_config
from .start_script import make_arguments
from .task_files import SCRIPTS_SEEN


class Driver(StrEnum):
    EXEC = "exec"
    RAW_EXEC = "raw_exec"
    DOCKER = "docker"
    PODMAN = "podman"

    @property
    def is_container(self) -> bool:
        return self in {Driver.DOCKER, Driver.PODMAN}


def choose_driver(spec: Spec, settings: NomadSettings) -> Driver:
    """Return what runs `spec`. Raise Invalid for a driver that cannot, NotSupported for one not allowed here."""
    usual = settings.image_driver if spec.image else settings.bundle_driver
    if not spec.driver:
        return Driver(usual.value)
    if spec.driver not in list(Driver):
        raise NotSupported(f"driver: {spec.driver!r} is not supported; name one of {', '.join(Driver)}")
    driver = Driver(spec.driver)
    if driver.is_container and not spec.image:
        raise Invalid(
            f"driver: {driver} runs images, and the manifest names none; add image, or leave it out", "driver"
        )
    if spec.image and not driver.is_container:
        raise Invalid(f"driver: {driver} runs folders, not the image {spec.image!r}; write docker or podman", "driver")
    if driver not in {settings.bundle_driver, settings.image_driver, *settings.drivers}:
        raise NotSupported(
            f"driver: {driver} is not allowed here, where {usual} is used;"
            " an operator can add it to plugin.nomad.drivers"
        )
    return driver


def check_mounts(spec: Spec, driver: Driver) -> None:
    """Raise NotSupported where the driver cannot show a volume to its tasks."""
    if spec.mounts and driver is Driver.RAW_EXEC:
        raise NotSupported(
            f"mounts: raw_exec has no volumes such as {spec.mounts[0].volume!r}: its tasks see the node's own files;"
            " use their path there, or the driver exec"
        )


def is_mapped(driver: Driver, settings: NomadSettings) -> bool:
    """Tell whether ports inside of the task are others than those of the node."""
    return driver.is_container and settings.network_mode != "host"


def needs_script(spec: Spec, driver: Driver) -> bool:
    """Tell whether the start script runs the model. An image alone needs none, so it need not hold a shell either."""
    return not driver.is_container or bool(spec.bundle)


def make_config(spec: Spec, settings: NomadSettings, driver: Driver) -> Json:
    """Return the `Config` of the model's task."""
    arguments = make_arguments(spec.command)
    if needs_script(spec, driver):
        return _run_script(spec, settings, driver, "start.sh", arguments)
    return _run_image(spec, settings, arguments)


def make_install_config(spec: Spec, settings: NomadSettings, driver: Driver, arguments: list[str]) -> Json:
    """Return the `Config` of the task that installs requirements.txt."""
    return _run_script(spec, settings, driver, "install.sh", arguments)


def make_constraints(spec: Spec, settings: NomadSettings, driver: Driver) -> list[Json]:
    """Return what nodes need beside the driver: nvidia's runtime where docker is to hand out GPUs."""
    gpu = spec.resources.gpu
    if driver is Driver.DOCKER and settings.docker_gpu_runtime and gpu and _may_be_nvidia(gpu.device):
        return [{"LTarget": "${attr.driver.docker.runtimes}", "Operand": "set_contains", "RTarget": "nvidia"}]
    return []


def _run_script(spec: Spec, settings: NomadSettings, driver: Driver, name: str, arguments: list[str]) -> Json:
    script, escaped = f"{SCRIPTS_SEEN}/{name}", [escape_config(argument) for argument in arguments]
    if driver.is_container:
        return {**_image(spec, settings), "entrypoint": ["/bin/sh", script, *escaped]}
    return {"command": "/bin/sh", "args": [script, *escaped]}


def _run_image(spec: Spec, settings: NomadSettings, arguments: list[str]) -> Json:
    """A command replaces the image's entrypoint and its arguments; without one the image runs as it is."""
    command = {"entrypoint": [escape_config(argument) for argument in arguments]} if arguments else {}
    return {**_image(spec, settings), **command}


def _image(spec: Spec, settings: NomadSettings) -> dict[str, object]:
    mapped = settings.network_mode != "host"
    network: dict[str, object] = {"ports": [PORT_LABEL]} if mapped else {"network_mode": "host"}
    if mapped and settings.network_mode:
        network["network_mode"] = settings.network_mode
    return {"image": spec.image, "image_pull_timeout": f"{settings.image_pull_timeout_s:g}s", **network}


def _may_be_nvidia(device: str) -> bool:
    return "/" not in device or device.startswith("nvidia/")
