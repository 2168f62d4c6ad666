"""What Serai takes on a machine: time to start, memory, and processor when nothing happens.

    python -m benchmarks.frugal [deployments]

Bars (product): `serai --help` 0.3 s, `serai up` ready 3 s on a warm start, server 150 MB, gateway 80 MB, 2 % of a core
when idle with 10 deployments. The peer in the same run is a bare `python -c pass` and a bare `import flask, aiohttp`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil

from benchmarks.report import report
from tests.system.installation import Installation, make_model

IDLE_S = 30.0


def time_command(*arguments: str, times: int = 5) -> float:
    """Return the median seconds of a command."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - start)
    return median(taken)


def time_up(folder: Path) -> float:
    """Return the seconds that `serai up` takes until its `ready` line, on a folder that was used before."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "serai", "up", "--data", str(folder), "--port", "0", "--gateway-port", "0"]
    process = subprocess.Popen([*command, "--no-example"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ready "):
            break
    taken = time.perf_counter() - start
    process.terminate()
    process.wait()
    process.stdout.close()
    return taken


def measure_idle(folder: Path, deployments: int) -> list[dict[str, object]]:
    folder.mkdir()
    serai = Installation(folder, {"tick": "3s"})
    try:
        serai.start()
        for number in range(deployments):
            serai.deploy(make_model(folder / f"model-{number}"))
        time.sleep(15)  # until start-up work, such as the first samples, is over
        rows = []
        shims = [p for p in serai.model_processes() if "model.py" not in p.cmdline()]
        parts = {"server": [process(serai.server)], "gateway": [process(serai.gateway_process)], "shims": shims}
        before = {part: sum(map(cpu_s, processes)) for part, processes in parts.items()}
        time.sleep(IDLE_S)
        for part, processes in parts.items():
            percent = 100 * (sum(map(cpu_s, processes)) - before[part]) / IDLE_S
            memory_mb = sum(p.memory_info().rss for p in processes) / 1e6
            rows.append({"what": f"{part}, idle, {deployments} deployments: % of a core", "value": percent})
            rows.append({"what": f"{part}, idle, {deployments} deployments: MB resident", "value": memory_mb})
        return rows
    finally:
        serai.close()


def process(child: subprocess.Popen[bytes] | None) -> psutil.Process:
    assert child is not None
    return psutil.Process(child.pid)


def cpu_s(of: psutil.Process) -> float:
    times = of.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    deployments = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    for name in [name for name in os.environ if name.startswith("SERAI_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as folder:
        time_up(Path(folder) / "up")
        rows = [
            {"what": "python -c pass (peer): s", "value": time_command("-c", "pass")},
            {"what": "import flask, aiohttp (peer): s", "value": time_command("-c", "import flask, aiohttp")},
            {"what": "serai --help: s", "value": time_command("-m", "serai", "--help")},
            {"what": "serai up until ready, warm: s", "value": median(time_up(Path(folder) / "up") for _ in range(3))},
        ]
        report("frugal", rows + measure_idle(Path(folder) / "idle", deployments))


if __name__ == "__main__":
    main()
