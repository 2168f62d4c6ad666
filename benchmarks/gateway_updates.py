"""Routes that change under load: how soon a replaced replica is asked, and that no request fails meanwhile.

    python -m benchmarks.gateway_updates [--deployments 1000] [--seconds 20] [--long]

1,000 deployments of 4 replicas; every second one replica of a random deployment is replaced, while 16 callers ask
deployments at random. The time counts from the server's change to the first answer of the new replica. `--long` takes
10 minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import aiohttp

from benchmarks.gateway_load import Answering
from benchmarks.report import report
from serai.domain.routes import Endpoint, Route
from serai.gateway.haproxy.program import find_program
from tests.gateway.control_server import TOKEN, ControlServer
from tests.gateway.gateway_process import GatewayProcess

REPLICAS, CALLERS = 4, 16
_PATIENCE_S = 10.0


class Callers:
    """Ask deployments at random until told to stop."""

    def __init__(self, url: str, deployments: int) -> None:
        self.answered = 0
        self.failures: Counter[object] = Counter()
        self._url, self._deployments = url, deployments
        self._over = asyncio.Event()
        self._tasks = [asyncio.create_task(self._ask(number)) for number in range(CALLERS)]

    async def stop(self) -> None:
        self._over.set()
        await asyncio.gather(*self._tasks)

    async def _ask(self, seed: int) -> None:
        chance = random.Random(seed)
        async with aiohttp.ClientSession() as session:
            while not self._over.is_set():
                url = f"{self._url}/d{chance.randrange(self._deployments)}/"
                try:
                    async with session.get(url) as answer:
                        await answer.read()
                        self.answered += 1
                        if answer.status != 200:
                            self.failures[answer.status] += 1
                except aiohttp.ClientError as error:
                    self.failures[type(error).__name__] += 1


async def until_asked(session: aiohttp.ClientSession, url: str, replica: str) -> float:
    """Return the instant at which `replica` answers."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        async with session.get(url) as answer:
            await answer.read()
            if answer.headers.get("X-Serai-Replica") == replica:
                return time.monotonic()
        if time.monotonic() > deadline:
            raise SystemExit(f"{replica} was not asked within {_PATIENCE_S:g} s")


async def until_served(url: str) -> None:
    deadline = time.monotonic() + 60
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(url) as answer:
                if answer.status == 200:
                    return
            if time.monotonic() > deadline:
                raise SystemExit(f"{url} is not served within 60 s")
            await asyncio.sleep(0.05)


async def measure(engine: str, deployments: int, seconds: float) -> dict[str, object]:
    model = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    address = f"127.0.0.1:{model.sockets[0].getsockname()[1]}"
    control = await ControlServer().start()
    routes = [
        Route(f"d{d}", "ann", 1, tuple(Endpoint(f"d{d}-r{r}", address, 1) for r in range(REPLICAS)))
        for d in range(deployments)
    ]
    await control.publish(*routes)
    with tempfile.TemporaryDirectory() as folder:
        token_file = Path(folder) / "token"
        token_file.write_text(TOKEN)
        arguments = (control.url, token_file, Path(folder) / "gateway", 10.0, 5.0, engine)
        gateway = await asyncio.to_thread(GatewayProcess, *arguments)
        try:
            await until_served(f"{gateway.url}/d{deployments - 1}/")
            callers = Callers(gateway.url, deployments)
            took = await replace_for(seconds, control, gateway.url, routes, address)
            await callers.stop()
        finally:
            await asyncio.to_thread(gateway.terminate)
            await control.close()
            model.close()
    took.sort()
    return {
        "engine": engine,
        "replaced": len(took),
        "requests": callers.answered,
        "failed": sum(callers.failures.values()),
        "failures": dict(callers.failures),
        "p50_ms": round(took[len(took) // 2] * 1e3, 1),
        "max_ms": round(took[-1] * 1e3, 1),
    }


async def replace_for(
    seconds: float, control: ControlServer, url: str, routes: list[Route], address: str
) -> list[float]:
    """Replace a replica a second; return how long each took to be asked."""
    chance, took, began = random.Random(1), [], time.monotonic()
    async with aiohttp.ClientSession() as session:
        for turn in range(1, int(seconds) + 1):
            await asyncio.sleep(max(0.0, began + turn - time.monotonic()))
            number = chance.randrange(len(routes))
            new = Endpoint(f"d{number}-n{turn}", address, 1)
            routes[number] = replace(routes[number], endpoints=(*routes[number].endpoints[1:], new))
            changed_at = time.monotonic()
            await control.publish(*routes)
            took.append(await until_asked(session, f"{url}/d{number}/", new.replica) - changed_at)
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description="Routes that change under load.")
    parser.add_argument("--deployments", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--long", action="store_true", help="10 minutes")
    options = parser.parse_args()
    seconds = 600.0 if options.long else options.seconds
    engines = ("haproxy", "asyncio") if find_program().program else ("asyncio",)
    report("gateway_updates", [asyncio.run(measure(engine, options.deployments, seconds)) for engine in engines])


if __name__ == "__main__":
    main()
