"""One GPU as K devices, so that several tasks run on it. Nothing keeps them apart: they share its memory and its time.

What holds: a shared group has a name of its own, as attributes belong to a group; each share has the memory / K as
attribute; every share shows the whole GPU's figures, which must not be added up; two shares given to one task may be
of one GPU or of two; changing K changes all ids, so tasks that run keep ids that are known no more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from .inventory import MEMORY_VARIABLE, Figures, Gpu, Inventory, Reservation, check_ids


class SharedInventory(Inventory):
    """The GPUs of another inventory, each as `share` devices with ids `<id>/0` .. `<id>/<share-1>`."""

    def __init__(self, whole: Inventory, share: int) -> None:
        self._whole, self._share = whole, share

    def gpus(self) -> tuple[Gpu, ...]:
        return tuple(part for gpu in self._whole.gpus() for part in divide(gpu, self._share))

    def figures(self) -> Mapping[str, Figures]:
        return {id_: f for whole, f in self._whole.figures().items() for id_ in share_ids(whole, self._share)}

    def reserve(self, ids: Collection[str]) -> Reservation:
        """Hand out the GPUs behind the shares, each once, and say how much memory the shares are worth."""
        known = {gpu.id: gpu for gpu in self.gpus()}
        check_ids(ids, known)
        whole = self._whole.reserve(tuple(dict.fromkeys(id_.rpartition("/")[0] for id_ in ids)))
        sizes = [known[id_].memory_mb for id_ in ids]
        env = dict(whole.env)
        if None not in sizes:
            env[MEMORY_VARIABLE] = str(sum(size or 0 for size in sizes))
        return Reservation(env, whole.device_files)

    def close(self) -> None:
        self._whole.close()


def divide(gpu: Gpu, share: int) -> tuple[Gpu, ...]:
    """Return the shares of a GPU."""
    part = replace(
        gpu,
        model=f"{gpu.model} shared by {share}",
        memory_mb=None if gpu.memory_mb is None else gpu.memory_mb // share,
        attributes={**gpu.attributes, "shares": share},
    )
    return tuple(replace(part, id=id_) for id_ in share_ids(gpu.id, share))


def share_ids(id_: str, share: int) -> list[str]:
    return [f"{id_}/{number}" for number in range(share)]
