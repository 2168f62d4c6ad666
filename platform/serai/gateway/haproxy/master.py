"""The HAProxy process: checked, started, reloaded, found again, ended."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from .folder import CONFIGURATION, MASTER_SOCKET, RunFolder
from .render import ADMIN_SOCKET
from .runtime import Runtime, RuntimeFailure

log = logging.getLogger(__name__)

_OUTPUT = "haproxy.log"
_OUTPUT_LIMIT_BYTES = 2**20
_START_S, _END_S = 10.0, 3.0
_ANSWER_S, _RELOAD_S = 5.0, 60.0
_LOOK_EVERY_S = 0.01
_PASSED_ON = ("PATH", "LANG", "LD_LIBRARY_PATH", "TZ")


class HaproxyFailure(Exception):
    """HAProxy cannot be started as it is configured."""


class Master:
    """The process that watches over HAProxy's workers. It outlives this one, in a session of its own."""

    def __init__(self, program: Path, folder: RunFolder) -> None:
        self._program = program
        self._folder = folder
        self._socket = folder.socket(MASTER_SOCKET)
        self._output = folder.path / _OUTPUT
        self._child: subprocess.Popen[bytes] | None = None
        self.pid = 0

    async def start(self) -> None:
        """Start HAProxy with what the folder has and return when it takes commands. HaproxyFailure otherwise."""
        await self._check()
        self._folder.tidy()
        self._output.unlink(missing_ok=True)
        with self._output.open("ab") as output:
            self._child = await asyncio.to_thread(self._spawn, output.fileno())
        self.pid = self._child.pid
        await self._until_up()

    async def adopt(self) -> bool:
        """Take over a HAProxy that an earlier process left here; return whether there is one."""
        try:
            answer = await _converse(self._socket, "show proc;quit", _ANSWER_S)
        except HaproxyFailure:
            return False
        self.pid = parse_master_pid(answer)
        return self.pid > 0

    async def end_stray(self, pid: int) -> None:
        """End a master that does not answer although it works in this folder: another needs its place."""
        try:
            is_ours = Path(f"/proc/{pid}/cwd").readlink() == self._folder.path.resolve()
        except OSError:
            return
        if is_ours:
            log.warning("a HAProxy that does not answer (process %d) is ended", pid)
            self.pid = pid
            await self.stop()

    async def reload(self) -> None:
        """Start new workers with what the folder has; old ones finish their requests. HaproxyFailure if none comes."""
        await self._check()
        answer = await _converse(self._socket, "reload", _RELOAD_S)
        if "Success=1" not in answer:
            raise HaproxyFailure(f"HAProxy does not take its new configuration: {answer[-500:]}")

    async def has_old_workers(self) -> bool:
        """Return whether workers from before a reload still finish requests."""
        try:
            return has_old(await _converse(self._socket, "show proc;quit", _ANSWER_S))
        except HaproxyFailure:
            return False

    def trim_output(self, limit_bytes: int = _OUTPUT_LIMIT_BYTES) -> None:
        """Empty what HAProxy has said once it is long: it says a line for each replica that comes or goes."""
        with suppress(FileNotFoundError):
            if self._output.stat().st_size > limit_bytes:
                os.truncate(self._output, 0)

    async def ended(self) -> str:
        """Return how the process ended, when it does."""
        loop = asyncio.get_running_loop()
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return self._reap()
        over = asyncio.Event()
        loop.add_reader(descriptor, over.set)
        try:
            await over.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        return self._reap()

    async def stop(self) -> None:
        """End HAProxy at once, whatever it carries."""
        if not self.pid:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
            with suppress(TimeoutError):
                async with asyncio.timeout(_END_S):
                    await self.ended()
                break
        self.pid = 0

    async def _check(self) -> None:
        """Raise HaproxyFailure with its words where HAProxy does not take the configuration."""
        command = [str(self._program), "-c", "-f", CONFIGURATION]
        answer = await asyncio.to_thread(
            subprocess.run, command, cwd=self._folder.path, capture_output=True, text=True, check=False, timeout=60
        )
        if answer.returncode != 0:
            raise HaproxyFailure(f"HAProxy does not take its configuration: {answer.stderr.strip()[-2000:]}")

    def _spawn(self, output: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [str(self._program), "-W", "-S", f"unix@{MASTER_SOCKET},mode,600", "-f", CONFIGURATION],
            cwd=self._folder.path,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={name: value for name in _PASSED_ON if (value := os.environ.get(name))},
        )

    async def _until_up(self) -> None:
        runtime = Runtime(self._folder.socket(ADMIN_SOCKET))
        deadline = asyncio.get_running_loop().time() + _START_S
        while True:
            try:
                await runtime.ask("show info")
                await _converse(self._socket, "show proc;quit", _ANSWER_S)  # it starts anew when its worker runs
                return
            except (RuntimeFailure, HaproxyFailure):
                has_ended = self._child is not None and self._child.poll() is not None
                if has_ended or asyncio.get_running_loop().time() > deadline:
                    await self.stop()
                    said = self._output.read_text(errors="replace")[-2000:]
                    raise HaproxyFailure(f"HAProxy does not start: {said.strip()}") from None
            await asyncio.sleep(_LOOK_EVERY_S)

    def _reap(self) -> str:
        code = self._child.wait() if self._child is not None and self._child.pid == self.pid else None
        self._child = None
        if code is None:
            return "unknown exit code"
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def parse_master_pid(text: str) -> int:
    """Return the master's process id from `show proc`, 0 where there is none."""
    fields = (line.split() for line in text.splitlines())
    return next((int(line[0]) for line in fields if len(line) > 1 and line[1] == "master" and line[0].isdigit()), 0)


def has_old(text: str) -> bool:
    """Return whether `show proc` lists workers under `old workers`."""
    return any(line.split()[1:2] == ["worker"] for line in text.partition("# old workers")[2].splitlines() if line)


def claim_port(host: str, port: int) -> int:
    """Return the port that can be listened at, a free one for 0; OSError where it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        claimed: int = probe.getsockname()[1]
        return claimed


async def _converse(path: str, command: str, timeout_s: float) -> str:
    """Return all that the master's socket says to a command until it closes."""
    try:
        reader, writer = await asyncio.open_unix_connection(path)
    except OSError as error:
        raise HaproxyFailure(f"HAProxy's master does not answer: {error}") from error
    try:
        async with asyncio.timeout(timeout_s):
            writer.write(command.encode() + b"\n")
            return (await reader.read()).decode()
    except (OSError, TimeoutError) as error:
        raise HaproxyFailure(f"HAProxy's master does not answer: {error}") from error
    finally:
        writer.close()
