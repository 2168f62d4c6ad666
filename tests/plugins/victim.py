"""A server's side that scales, restarts and stops two workloads until it is killed: `victim.py FOLDER SEED`."""

from __future__ import annotations

import itertools
import random
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2] / part) for part in ("", "platform", "plugins")]

from tests.plugins.stage import WAITING, Stage  # noqa: E402

if __name__ == "__main__":
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    dice = random.Random(seed)
    stage = Stage(folder)
    print("go", flush=True)
    for _ in itertools.count():
        name = dice.choice(["red-v1", "blue-v1"])
        if dice.random() < 0.3:
            stage.scheduler.stop(name)
        else:
            run = dice.randint(1, 2)
            stage.run(name, count=dice.randint(0, 3), run=run, command=WAITING, drain_timeout_s=0.2)
        stage.scheduler.observe()
