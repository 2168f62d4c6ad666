"""GPUs that do not exist, for development: models and memory as asked for, statistics that move, illness on demand."""

from __future__ import annotations

import logging
import math
import time
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path

from serai.domain.errors import SeraiError

from .config import GpuConfig, Model
from .holders import Holders
from .inventory import GPUS_VARIABLE, Figures, Gpu, Inventory, Quantity, Reservation, check_ids

log = logging.getLogger(__name__)

_POWER_W = {"T4": 70, "L4": 72, "A10": 150, "L40S": 350, "A100": 400, "H100": 700, "H200": 700}
_IDLE_C, _BUSY_C = 34.0, 71.0
_LOAD_S, _HEAT_S = 4.0, 20.0  # how long weights take to load, and a cooler to be overtaken


class SimulatedInventory(Inventory):
    """The models of a configuration.

    A GPU is unhealthy while a file with its id as name stands in the folder `control`; the file's first line says why.
    It is busy while a process carries its id in SERAI_GPUS.
    """

    def __init__(self, config: GpuConfig) -> None:
        self._control = config.control
        self._models: dict[str, Model] = {}
        for model in config.models:
            for _ in range(model.count):
                self._models[f"GPU-sim-{config.node}-{len(self._models)}"] = model
        self._holders = Holders()
        self._since: dict[str, tuple[bool, float]] = {}
        if self._control:
            _make_folder(self._control)

    def gpus(self) -> tuple[Gpu, ...]:
        ills = {id_: find_illness(self._control, id_) for id_ in self._models}
        return tuple(
            Gpu(
                id=id_,
                model=model.name,
                memory_mb=model.memory_mb,
                is_healthy=ills[id_] is None,
                description=ills[id_] or "",
                attributes={"power": Quantity(power_limit_w(model.name), "W"), "simulated": True},
            )
            for id_, model in self._models.items()
        )

    def figures(self) -> Mapping[str, Figures]:
        held, now_s = self._holders.held(), time.monotonic()
        return {id_: self._simulate(id_, id_ in held, now_s) for id_ in self._models}

    def reserve(self, ids: Collection[str]) -> Reservation:
        """Hand out ids in variables of our own and CUDA's.

        Never in NVIDIA_VISIBLE_DEVICES: for that Nomad's docker driver asks for the runtime `nvidia`, which a machine
        without GPUs does not have, and no container would start.
        """
        check_ids(ids, self._models)
        self._holders.reserve(ids)
        text = ",".join(ids)
        return Reservation({GPUS_VARIABLE: text, "CUDA_VISIBLE_DEVICES": text})

    def _simulate(self, id_: str, is_held: bool, now_s: float) -> Figures:
        # What is held at the first look was held before this process was started: a killed plugin shows no break.
        was_held, since_s = self._since.setdefault(id_, (is_held, float("-inf")))
        if is_held != was_held:
            since_s = now_s
            self._since[id_] = (is_held, now_s)
        return simulate(self._models[id_], zlib.crc32(id_.encode()), is_held, now_s - since_s, now_s)


def simulate(model: Model, seed: int, is_held: bool, held_s: float, now_s: float) -> Figures:
    """Return what such a GPU would do `held_s` seconds after it was taken or given back. `seed` tells GPUs apart.

    Busy: weights load for some seconds, then utilization swings between 45 and 95 %; power follows it, temperature
    follows slowly. Idle: nothing but a little power that wavers. A GPU given back cools down.
    """
    swing = _swing(seed, now_s)
    loaded = min(1.0, held_s / _LOAD_S) if is_held else 0.0
    busy = loaded * (0.70 + 0.25 * swing)
    heat = 1 - math.exp(-held_s / _HEAT_S) if is_held else math.exp(-held_s / _HEAT_S)
    limit_w = power_limit_w(model.name)
    return Figures(
        utilization_percent=round(100 * busy),
        memory_used_mb=round(model.memory_mb * loaded * (0.72 + 0.03 * swing)),
        memory_total_mb=model.memory_mb,
        power_w=round(limit_w * (0.12 + 0.02 * swing + 0.75 * busy)),
        power_limit_w=limit_w,
        temperature_c=round(_IDLE_C + (_BUSY_C - _IDLE_C) * heat + 2 * swing),
    )


def power_limit_w(name: str) -> int:
    """Return the board power of a known model (the longest name that occurs in `name`), 300 W of others."""
    known = [model for model in _POWER_W if model in name]
    return _POWER_W[max(known, key=len)] if known else 300


def find_illness(control: Path | None, id_: str) -> str | None:
    """Return why the GPU is unhealthy, None where it is well."""
    if control is None:
        return None
    try:
        text = (control / id_).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"its control file cannot be read: {error.strerror}"
    lines = text.strip().splitlines()
    return lines[0][:200] if lines else "made unhealthy by its control file"


def _make_folder(control: Path) -> None:
    try:
        control.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SeraiError(f"the folder {control} of `control` cannot be made: {error.strerror}") from error


def _swing(seed: int, now_s: float) -> float:
    """Return a value from -1 to 1 that wanders, differently for each seed and always the same for one instant."""
    phase = seed % 1000
    return 0.6 * math.sin(now_s / 7 + phase) + 0.3 * math.sin(now_s / 2.3 + 2 * phase) + 0.1 * math.sin(now_s * 1.7)
