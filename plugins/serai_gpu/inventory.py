"""What GPUs a machine has and what they do: the seam between the wire and the kinds of GPUs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from serai.domain.errors import SeraiError

# For programs in the task, whatever its driver: the ids of its GPUs, and how many MiB of memory it may use there.
GPUS_VARIABLE, MEMORY_VARIABLE = "SERAI_GPUS", "SERAI_GPU_MEMORY_MB"


class InventoryError(SeraiError):
    """The GPUs cannot be looked at just now; the sentence becomes their health description."""

    default_code = "gpus-unknown"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value with a unit that Nomad knows: MiB, MHz, W, MB/s and their kin. It rejects all devices for any other."""

    value: int
    unit: str


Attribute = Quantity | str | int | bool


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, or one share of it, as Nomad is told: jobs ask for `nvidia/gpu/<model>`, tasks are handed ids.

    `memory_mb` is None where it is not known. `description` says in a sentence why it is not healthy.
    """

    id: str
    model: str
    memory_mb: int | None = None
    is_healthy: bool = True
    description: str = ""
    pci_bus_id: str = ""
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a GPU did just now; None is "not known", never 0."""

    utilization_percent: int | None = None
    memory_used_mb: int | None = None
    memory_total_mb: int | None = None
    power_w: int | None = None
    power_limit_w: int | None = None
    temperature_c: int | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a task gets: variables of its environment, and device files of the host."""

    env: Mapping[str, str]
    device_files: tuple[str, ...] = ()


class Inventory(ABC):
    """The GPUs of this machine. Methods may be called from several threads."""

    @abstractmethod
    def gpus(self) -> tuple[Gpu, ...]:
        """Return all GPUs, always in the same order, () where there are none. Raise InventoryError."""

    @abstractmethod
    def figures(self) -> Mapping[str, Figures]:
        """Return what each GPU does by its id; one without an answer is left out. Raise InventoryError."""

    @abstractmethod
    def reserve(self, ids: Collection[str]) -> Reservation:
        """Return what a task gets that is given these GPUs. Raise InventoryError for an id that is not there."""

    def close(self) -> None:
        """Release what was opened."""


def check_ids(ids: Collection[str], known: Collection[str]) -> None:
    """Raise InventoryError for the first id that is not known."""
    for id_ in ids:
        if id_ not in known:
            raise InventoryError(f"there is no GPU {id_!r} here; known are {', '.join(known) or 'none'}")
