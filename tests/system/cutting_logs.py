"""The local scheduler with a connection for logs that breaks at random, as one to a node does.

Named in `plugins` by its path. Each cut is a byte in the file `cuts` of the plugin's folder.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from serai.domain.errors import SchedulerUnavailable
from serai.domain.observation import LogLine, Stream
from serai.plugin import PluginContext, Scheduler, hookimpl
from serai_local.scheduler import LocalScheduler
from serai_local.settings import load_settings

PLUGIN = "tests.system.cutting_logs"
CONFIG = f'plugins = ["{PLUGIN}", "apikey"]\nscheduler = "{PLUGIN}"\n'
ONE_IN = 10


class CuttingScheduler(LocalScheduler):
    """The first reading, and one in so many after it, ends in an error behind some of its lines.

    The first is that of a server that has just been started again, with most to read; and a slow machine reads seldom.
    """

    def __init__(self, cuts: Path, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._cuts = cuts
        self._dice = random.Random()
        self._firsts = iter([True])

    def logs(
        self, workload_id: str, replica: str, stream: Stream | None = None, after: str | None = None
    ) -> Iterator[LogLine]:
        lines = super().logs(workload_id, replica, stream, after)
        is_cut = next(self._firsts, False) or not self._dice.randrange(ONE_IN)
        return self._cut(lines) if is_cut else lines

    def _cut(self, lines: Iterator[LogLine]) -> Iterator[LogLine]:
        yield from islice(lines, self._dice.randrange(40))
        with self._cuts.open("ab") as file:
            file.write(b".")
        raise SchedulerUnavailable("the connection for logs was cut")


def count_cuts(data: Path) -> int:
    """Return how often a connection was cut in the installation of a data folder."""
    path = data / "plugins" / PLUGIN / "cuts"
    return path.stat().st_size if path.exists() else 0


@hookimpl
def serai_register_scheduler(context: PluginContext) -> Scheduler:
    settings = load_settings(context.settings)
    return CuttingScheduler(context.data_dir / "cuts", context.data_dir, context.bundle_path, settings)
