"""Which deployment has which slot. A slot that is given back rests until it is empty."""

from __future__ import annotations

from .names import slot_name


class Slots:
    """`count` slots; the lowest free one is taken first."""

    def __init__(self, count: int) -> None:
        self.count = 0
        self._of: dict[str, str] = {}
        self._free: list[str] = []
        self._resting: set[str] = set()
        self.grow(count)

    def grow(self, count: int) -> None:
        """Make there be `count` slots."""
        self._free[:0] = [slot_name(number) for number in reversed(range(self.count, count))]
        self.count = max(self.count, count)

    @property
    def free(self) -> int:
        return len(self._free)

    def get(self, deployment: str) -> str | None:
        return self._of.get(deployment)

    def owners(self) -> dict[str, str]:
        """Return the deployments by slot."""
        return {slot: deployment for deployment, slot in self._of.items()}

    def take(self, deployment: str) -> str | None:
        """Return the deployment's slot, given to it now if it had none; None where all are taken."""
        slot = self._of.get(deployment)
        if slot is None and self._free:
            slot = self._of[deployment] = self._free.pop()
        return slot

    def assign(self, deployment: str, slot: str) -> None:
        """Give a deployment the slot that it is found in."""
        if slot in self._free:
            self._free.remove(slot)
            self._of[deployment] = slot

    def give_back(self, deployment: str) -> None:
        """Let the slot rest; `settle` frees it."""
        slot = self._of.pop(deployment, None)
        if slot is not None:
            self._resting.add(slot)

    def settle(self, busy: set[str]) -> None:
        """Free what rests and is not `busy` any more."""
        empty = sorted(self._resting - busy, reverse=True)
        self._resting.difference_update(empty)
        self._free.extend(empty)


def derive_count(deployments: int) -> int:
    """Return how many slots to begin with: twice as many as are needed, a power of two from 64 on."""
    return max(64, 1 << (2 * deployments - 1).bit_length() if deployments else 0)
