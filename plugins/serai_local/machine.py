"""What this machine has, and why a version does not fit on it."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from serai.domain.quantity import format_bytes
from serai.domain.reasons import Reason, make_reason
from serai.domain.spec import Gpu, Spec

from .gpus import GpuDevice, GpuInventory


@dataclass(frozen=True, slots=True)
class Machine:
    """Figures that do not change. `mhz` of all cores together, None where it is not known."""

    node: str
    cores: int
    memory_bytes: int
    mhz: float | None = None
    gpus: tuple[GpuDevice, ...] = ()


def find_machine(gpus: GpuInventory) -> Machine:
    cores = os.cpu_count() or 1
    return Machine(
        platform.node() or "localhost", cores, psutil.virtual_memory().total, _find_mhz(cores), gpus.devices()
    )


def _find_mhz(cores: int) -> float | None:
    try:
        frequency = psutil.cpu_freq()
    except (OSError, NotImplementedError, AttributeError):
        return None
    return cores * (frequency.max or frequency.current) if frequency else None


def derive_cores(spec: Spec, machine: Machine) -> float:
    """Return the share of the machine's cores that `spec` asks for, 0 where it asks for none."""
    cpu = spec.resources.cpu
    if cpu is None:
        return 0.0
    if cpu.mhz is not None:
        return cpu.mhz * machine.cores / machine.mhz if machine.mhz else 0.0
    return cpu.cores or 0.0


def find_refusal(spec: Spec) -> Reason | None:
    """Return why this scheduler cannot run `spec` at all, on whatever machine."""
    if spec.image:
        text = f"The local scheduler runs folders, not images: {spec.image!r} needs a scheduler that has containers."
        return make_reason("not-supported", text)
    if spec.mounts:
        text = f"The local scheduler has no volumes such as {spec.mounts[0].volume!r}; use a path of this machine."
        return make_reason("not-supported", text)
    if spec.driver:
        text = f"The local scheduler starts processes itself; leave out the driver {spec.driver!r}."
        return make_reason("not-supported", text)
    return None


def find_excess(spec: Spec, machine: Machine) -> Reason | None:
    """Return why `spec` would not fit even on the idle machine."""
    cores, memory_bytes = derive_cores(spec, machine), spec.resources.memory_bytes
    if cores > machine.cores:
        text = f"It asks for {cores:g} cores, and this machine has {machine.cores}."
        return make_reason("too-large", text)
    if memory_bytes and memory_bytes > machine.memory_bytes:
        has = format_bytes(machine.memory_bytes)
        return make_reason("too-large", f"It asks for {format_bytes(memory_bytes)} of memory; this machine has {has}.")
    gpu = spec.resources.gpu
    if gpu and len(matching_gpus(gpu, machine)) < gpu.count:
        return make_reason("gpu-missing", _describe_missing(gpu, machine))
    return None


def matching_gpus(gpu: Gpu, machine: Machine) -> tuple[GpuDevice, ...]:
    """Return the machine's GPUs of the kind asked for, taken or not."""
    model = re.compile(gpu.model, re.IGNORECASE)
    return tuple(
        device
        for device in machine.gpus
        if model.search(device.model)
        and (not gpu.memory_bytes or (device.memory_bytes or 0) >= gpu.memory_bytes)
        and _is_called(gpu.device, device.model)
    )


def _is_called(name: str, model: str) -> bool:
    """Whether `gpu`, `nvidia/gpu` or `nvidia/gpu/<model>` names a GPU; here all are NVIDIA's."""
    return name in {"", "gpu", "nvidia/gpu", f"nvidia/gpu/{model}"}


def choose_gpus(gpu: Gpu, machine: Machine, holders: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the ids of free GPUs for one replica, the smallest that do; None where too few are free."""
    free = [device for device in matching_gpus(gpu, machine) if device.id not in holders]
    free.sort(key=lambda device: device.memory_bytes or 0)
    return tuple(device.id for device in free[: gpu.count]) if len(free) >= gpu.count else None


def explain_taken_gpus(gpu: Gpu, machine: Machine, holders: Mapping[str, str]) -> Reason:
    """Return the reason why too few are free, with who holds them. `holders` maps GPU ids to workload ids."""
    kind = matching_gpus(gpu, machine)
    taken = [holders[device.id] for device in kind if device.id in holders]
    names = ", ".join(f"{name} ({taken.count(name)})" for name in sorted(set(taken)))
    text = (
        f"It needs {_describe_gpu(gpu)}; this machine has {len(kind)}, of which {len(kind) - len(taken)} are free."
        f" The others are held by {names}."
    )
    return make_reason("gpu-taken", text)


def _describe_missing(gpu: Gpu, machine: Machine) -> str:
    if not machine.gpus:
        return f"It needs {_describe_gpu(gpu)}; this machine has no GPU that NVIDIA's driver reports."
    models = ", ".join(sorted({device.model for device in machine.gpus}))
    fitting = len(matching_gpus(gpu, machine)) or "none"
    return f"It needs {_describe_gpu(gpu)}; this machine has {len(machine.gpus)} ({models}), such ones: {fitting}."


def _describe_gpu(gpu: Gpu) -> str:
    words = [f"{gpu.count} GPU" + ("s" if gpu.count > 1 else "")]
    if gpu.device:
        words.append(f"of the kind {gpu.device!r}")
    if gpu.model:
        words.append(f"matching {gpu.model!r}")
    if gpu.memory_bytes:
        words.append(f"with at least {format_bytes(gpu.memory_bytes)}")
    return " ".join(words)
