"""A gateway as a process of its own, for tests and benchmarks that kill or measure it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

_CODE = """
import sys
from pathlib import Path
from serai.gateway.config import GatewayConfig
from serai.gateway.main import run
server, token_file, data, window_s, drain_s, engine, domain = sys.argv[1:]
times = {"window_s": float(window_s), "drain_s": float(drain_s)}
config = GatewayConfig(server, Path(token_file), Path(data), port=0, engine=engine, domain=domain, **times)
run(config, announce=lambda url: print(url, flush=True))
"""


class GatewayProcess:
    """Started when made; `url` is known then."""

    def __init__(
        self,
        server: str,
        token_file: Path,
        data: Path,
        window_s: float = 1.0,
        drain_s: float = 5.0,
        engine: str = "asyncio",
        domain: str = "",
    ) -> None:
        arguments = [server, str(token_file), str(data), str(window_s), str(drain_s), engine, domain]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE, *arguments], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        assert self.url, "the gateway did not start"

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def terminate(self) -> int:
        """Ask it to end and return its exit code."""
        return self._end(signal.SIGTERM)

    def leave(self) -> int:
        """Have it end and leave HAProxy behind; return its exit code."""
        return self._end(signal.SIGUSR2)

    def _end(self, number: signal.Signals) -> int:
        self._process.send_signal(number)
        code = self._process.wait(30)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code
