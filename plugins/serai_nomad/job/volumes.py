"""Host volumes of nodes as folders of a model."""

from __future__ import annotations

from serai.domain.spec import Mount
from serai_nomad.facts import Json

from .interpolation import check_literal


def make_volumes(mounts: tuple[Mount, ...]) -> dict[str, Json]:
    """Return the group's `Volumes`: each once, read-only unless some mount of it may write."""
    writable = {mount.volume for mount in mounts if not mount.read_only}
    names = sorted({mount.volume for mount in mounts})
    return {name: {"Type": "host", "Source": name, "ReadOnly": name not in writable} for name in names}


def make_mounts(mounts: tuple[Mount, ...]) -> list[Json]:
    """Return the task's `VolumeMounts`."""
    return [
        {
            "Volume": mount.volume,
            "Destination": check_literal(mount.path, f"mounts[{index}].path"),
            "ReadOnly": mount.read_only,
        }
        for index, mount in enumerate(mounts)
    ]
