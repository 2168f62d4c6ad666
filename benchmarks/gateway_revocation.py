"""Keys that are revoked under load: the time from the call's return to the last request that was let through.

    python -m benchmarks.gateway_revocation [revocations]    (10; the promise is held for 100)

A real server, and 4 gateways that follow it. Callers ask each of them with the key all the while; the bar is 1 s.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from benchmarks.report import report
from serai.gateway.haproxy.program import find_program
from tests.gateway.gateway_process import GatewayProcess
from tests.system.installation import Installation, make_model

GATEWAYS, LIMIT_S = 4, 1.0
_PATIENCE_S = 10.0


class Caller(threading.Thread):
    """Asks one gateway with one key until it is refused; `last_at` is when it was let through last."""

    def __init__(self, url: str, key: str) -> None:
        super().__init__(daemon=True)
        self.last_at = 0.0
        self.was_let = threading.Event()
        self._request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
        self.start()

    def run(self) -> None:
        refused = 0
        while refused < 20:  # one refusal is no proof: the key may not be known yet, or be known again
            began = time.monotonic()
            try:
                with urllib.request.urlopen(self._request, timeout=5) as answer:
                    answer.read()
                refused, self.last_at = 0, began
                self.was_let.set()
            except urllib.error.HTTPError as error:
                refused += self.was_let.is_set() and error.code in (401, 403, 429)
                error.close()
            time.sleep(0.002)


def revoke(serai: Installation, urls: list[str]) -> float:
    """Return the seconds for which a key was let through after its revocation had returned; 0 where it was not."""
    client = serai.client()
    made = client.create_key({"name": "benchmark"})
    callers = [Caller(url, made["key"]) for url in urls]
    for caller in callers:
        if not caller.was_let.wait(_PATIENCE_S):
            raise SystemExit(f"a new key was not taken within {_PATIENCE_S:g} s")
    client.revoke_key(made["id"])
    returned_at = time.monotonic()
    for caller in callers:
        caller.join(_PATIENCE_S)
        if caller.is_alive():
            raise SystemExit(f"a revoked key was let through for {_PATIENCE_S:g} s")
    return max(0.0, max(caller.last_at for caller in callers) - returned_at)


def measure(engine: str, revocations: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        serai = Installation(Path(folder) / "serai", {"gateway_engine": engine})
        gateways: list[GatewayProcess] = []
        try:
            serai.start()
            serai.deploy(make_model(Path(folder) / "echo", "access: keys\n"))
            for number in range(1, GATEWAYS):
                data = Path(folder) / f"gateway-{number}"
                gateways.append(GatewayProcess(serai.url, serai.data / "gateway.token", data, engine=engine))
            urls = [f"{url}/echo/" for url in (serai.gateway, *(gateway.url for gateway in gateways))]
            took = sorted(revoke(serai, urls) for _ in range(revocations))
        finally:
            for gateway in gateways:
                gateway.terminate()
            serai.close()
    return {
        "engine": engine,
        "gateways": GATEWAYS,
        "revocations": revocations,
        "p50_ms": round(took[len(took) // 2] * 1e3, 1),
        "max_ms": round(took[-1] * 1e3, 1),
        "limit_ms": LIMIT_S * 1e3,
    }


def main(revocations: int) -> None:
    engines = ("haproxy", "asyncio") if find_program().program else ("asyncio",)
    report("gateway_revocation", [measure(engine, revocations) for engine in engines])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
