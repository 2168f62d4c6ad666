"""Speak with a running HAProxy over its sockets: commands in, their answers out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from .plan import GRANTS, KEYS, ROWS
from .state import Server, State

_PROMPT = b"\n> "
# What is sent at once stays below HAProxy's buffer.
_BATCH_BYTES = 8192
_LIMIT_BYTES = 2**26
_TIMEOUT_S = 10.0
_DRAINING = 0x08 | 0x10  # bits of the administrative state: by us, or inherited
_MAINTENANCE = 0x01


class RuntimeFailure(Exception):
    """HAProxy cannot be reached, or does not answer."""


class Runtime:
    """One socket of HAProxy, connected to anew for each call."""

    def __init__(self, path: str) -> None:
        self.path = path

    async def run(self, commands: Sequence[str]) -> list[str]:
        """Return the answer to each command; raise RuntimeFailure where they cannot be had."""
        if not commands:
            return []
        try:
            async with asyncio.timeout(_TIMEOUT_S + len(commands) / 500):
                return await self._run(commands)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise RuntimeFailure(f"HAProxy does not answer: {error or type(error).__name__}") from error

    async def ask(self, command: str) -> str:
        """Return the answer to one command."""
        return (await self.run([command]))[0]

    async def read_state(self) -> State:
        """Return what HAProxy knows, all of it."""
        rows, grants, keys, servers = await self.run(
            [*(f"show map {name}" for name in (ROWS, GRANTS, KEYS)), "show servers state"]
        )
        return State(parse_map(rows), parse_map(grants), parse_map(keys), parse_servers(servers))

    async def converse(self) -> Conversation:
        """Return a conversation with the worker that runs now; RuntimeFailure where there is none. `close` it."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                return await self._open()
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise RuntimeFailure(f"HAProxy does not answer: {error or type(error).__name__}") from error

    async def _open(self) -> Conversation:
        reader, writer = await asyncio.open_unix_connection(self.path, limit=_LIMIT_BYTES)
        try:
            writer.write(b"prompt\n")
            await reader.readuntil(b"> ")
        except BaseException:
            writer.close()
            raise
        return Conversation(reader, writer)

    async def _run(self, commands: Sequence[str]) -> list[str]:
        conversation = await self._open()
        try:
            return await conversation.run_unbounded(commands)
        finally:
            conversation.close()


class Conversation:
    """One connection to a worker, which does not end meanwhile."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def run(self, commands: Sequence[str]) -> list[str]:
        """Return the answer to each command; raise RuntimeFailure where they cannot be had."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                return await self.run_unbounded(commands)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise RuntimeFailure(f"HAProxy does not answer: {error or type(error).__name__}") from error

    async def run_unbounded(self, commands: Sequence[str]) -> list[str]:
        """Return the answer to each command, however long it takes; raise what reading raises."""
        answers: list[str] = []
        for batch in _batches(commands):
            self._writer.write("".join(f"{command}\n" for command in batch).encode())
            answers += [await _read_answer(self._reader) for _ in batch]
        return answers

    def close(self) -> None:
        self._writer.close()


async def _read_answer(reader: asyncio.StreamReader) -> str:
    return (await reader.readuntil(_PROMPT)).decode().removesuffix("\n> ").strip("\n")


def parse_map(text: str) -> dict[str, str]:
    """Return the entries of `show map`: lines of address, key and value."""
    entries = (line.split(" ", 2) for line in text.splitlines() if line.strip())
    return {key: value for _, key, value in entries}


def parse_servers(text: str) -> dict[str, Server]:
    """Return the replicas of `show servers state` by `<slot>/<server>`; those in maintenance are draining, too."""
    lines = [line.split(" ") for line in text.splitlines() if line and not line.isdigit()]
    if not lines:
        return {}
    columns = {name: number for number, name in enumerate(lines[0][1:])}
    return dict(_parse_server(line, columns) for line in lines[1:] if line[columns["srv_name"]][0].isdigit())


def _parse_server(line: Sequence[str], columns: dict[str, int]) -> tuple[str, Server]:
    state = int(line[columns["srv_admin_state"]])
    host, port = line[columns["srv_addr"]], line[columns["srv_port"]]
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    key = f"{line[columns['be_name']]}/{line[columns['srv_name']]}"
    return key, Server(address, bool(state & (_DRAINING | _MAINTENANCE)))


def parse_stat(text: str) -> list[dict[str, str]]:
    """Return the rows of `show stat`."""
    lines = [line.split(",") for line in text.splitlines() if line]
    if not lines:
        return []
    names = [name.removeprefix("# ") for name in lines[0]]
    return [dict(zip(names, line, strict=False)) for line in lines[1:]]


def parse_pairs(text: str) -> dict[str, str]:
    """Return the lines `name: value` of `show info`."""
    pairs = (line.partition(": ") for line in text.splitlines())
    return {name.strip(): value.strip() for name, found, value in pairs if found}


def _batches(commands: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size_bytes = 0
    for command in commands:
        if batch and size_bytes + len(command) + 1 > _BATCH_BYTES:
            yield batch
            batch, size_bytes = [], 0
        batch.append(command)
        size_bytes += len(command) + 1
    if batch:
        yield batch
