"""The ledger says how many requests are on record, whenever the process that writes both is killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from serai.gateway.haproxy.accounts import Accounts
from serai.gateway.haproxy.ledger import Ledger
from serai.gateway.haproxy.reader import Records
from serai.gateway.haproxy.runtime import Runtime
from serai.gateway.journal import Journal
from serai.gateway.pile import Pile
from serai.gateway.record import RequestRecord, encode_record
from serai.gateway.segment import load_window, parse_window_id

_AT = 1_800_000_000.0
_SLOT, _GOOD = 3, 2
_Announce = Callable[[Path, int], None]


class Killed(BaseException):
    """What follows never happens."""


def before_the_write(path: Path, size_bytes: int) -> None:
    raise Killed


def make_pile(count: int, replica: str) -> Pile:
    record = RequestRecord(_AT, "m", 1, replica, 200, 0.025, 0.024, 0.0, 0, 0, "a", "b", "", "")
    text = encode_record(record) * count
    times_us = [25_000] * count
    return Pile("m", 1, replica, 200, [int(_AT * 1e6)] * count, times_us, times_us, [0] * count, text)


def write(journal: Journal, ledger: Ledger, pile: Pile, then: _Announce | None = None) -> Path:
    """Write a pile as the reader of records does, `then` being called once it is announced; return the file."""
    files: list[Path] = []

    def announce(path: Path, size_bytes: int) -> None:
        ledger.announce(_SLOT, _GOOD, path, size_bytes)
        files.append(path)
        if then is not None:
            then(path, size_bytes)

    journal.append_all(pile, announce)
    return files[0]


def killed_before_the_write(journal: Journal, ledger: Ledger, pile: Pile) -> None:
    with pytest.raises(Killed):
        write(journal, ledger, pile, before_the_write)


def killed_after_the_write(journal: Journal, ledger: Ledger, pile: Pile) -> None:
    write(journal, ledger, pile)


def killed_within_the_write(journal: Journal, ledger: Ledger, pile: Pile) -> None:
    """The kernel may end a long write of a killed process in its midst."""
    path = write(journal, ledger, pile)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - len(pile.lines[-1]) // 2])


def killed_within_the_count(journal: Journal, ledger: Ledger, pile: Pile) -> None:
    """The count is written, and that it is finished is not."""
    path = write(journal, ledger, pile)
    size_bytes = len(path.read_bytes()) - sum(len(line) + 1 for line in pile.lines)
    before = ledger.get(_SLOT, _GOOD)
    ledger.add(_SLOT, _GOOD, len(pile.lines))
    after = ledger.get(_SLOT, _GOOD)
    ledger.add(_SLOT, _GOOD, before - after)
    ledger.announce(_SLOT, _GOOD, path, size_bytes)
    ledger._write(ledger._place(_SLOT, _GOOD), after)


def count_on_record(folder: Path) -> int:
    ids = [(path, parse_window_id(path.stem)) for path in folder.glob("*.journal")]
    windows = [load_window(path, id, 10.0) for path, id in ids if id is not None]
    return sum(summary.count for window in windows for key, summary in window.series.items() if key.clock == "total")


KILLS = [killed_before_the_write, killed_after_the_write, killed_within_the_write, killed_within_the_count]


@pytest.mark.parametrize("kill", KILLS)
def test_whenever_it_is_killed_the_ledger_agrees_with_the_journal(
    tmp_path: Path, kill: Callable[[Journal, Ledger, Pile], None]
) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    journal, ledger = Journal(folder, "g.1", 10.0, lambda: 0.0), Ledger(tmp_path / "ledger")
    ledger.begin(42)
    write(journal, ledger, make_pile(5, "r1"))
    ledger.add(_SLOT, _GOOD, 5)
    assert ledger.get(_SLOT, _GOOD) == count_on_record(folder) == 5
    kill(journal, ledger, make_pile(7, "r2"))
    journal.take_closed(all=True)
    ledger.close()
    again = Ledger(tmp_path / "ledger")
    assert again.worker == 42
    assert again.get(_SLOT, _GOOD) == count_on_record(folder)
    again.add(_SLOT, _GOOD, 2)
    again.close()
    third = Ledger(tmp_path / "ledger")
    assert third.get(_SLOT, _GOOD) == count_on_record(folder) + 2  # what was finished once is not finished again
    third.close()


def test_another_worker_has_nothing_to_finish(tmp_path: Path) -> None:
    (tmp_path / "x.journal").write_bytes(b"\n".join(make_pile(3, "r").lines))
    ledger = Ledger(tmp_path / "ledger")
    ledger.begin(42)
    announce = partial(ledger.announce, _SLOT, _GOOD)
    announce(tmp_path / "x.journal", 0)
    ledger.begin(43)
    ledger.close()
    again = Ledger(tmp_path / "ledger")
    assert (again.worker, again.get(_SLOT, _GOOD)) == (43, 0)
    again.close()


# comparing


class Answers(Runtime):
    """A HAProxy whose worker has counted so many good requests of the slot."""

    def __init__(self, worker: int, counted: int) -> None:
        super().__init__("")
        self.worker, self.counted = worker, counted

    async def run(self, commands: Sequence[str]) -> list[str]:
        names = "# pxname,ttime,hrsp_2xx,hrsp_other,hrsp_1xx,hrsp_3xx,hrsp_4xx,hrsp_5xx"
        stat = f"{names}\np{_SLOT},25,{self.counted},,,,,"
        answers = {"show info": f"Pid: {self.worker}", "show stat -1 2 -1": stat}
        return [answers[command] for command in commands]


class Comparing:
    """Accounts with a ledger of worker 42 that has `entered` requests."""

    def __init__(self, folder: Path, counted: int, entered: int) -> None:
        self.kept: list[RequestRecord] = []
        self.haproxy = Answers(42, counted)
        self.ledger = Ledger(folder / "ledger")
        self.ledger.begin(42)
        self.ledger.add(_SLOT, _GOOD, entered)
        self.records = Records(lambda pile, announce: self.kept.extend(pile), self.ledger)
        self.records.connections = 1
        self.accounts = Accounts(self.haproxy, self.records, self.ledger, self.kept.append)

    async def settle(self) -> None:
        await self.accounts.settle({f"p{_SLOT}": "m"})


def test_what_is_lost_is_counted_once(tmp_path: Path) -> None:
    async def run() -> None:
        world = Comparing(tmp_path, counted=9, entered=6)
        await world.settle()
        await world.settle()
        assert [(r.deployment, r.status, r.is_timed) for r in world.kept] == [("m", 200, False)] * 3
        world.ledger.close()

    asyncio.run(run())


def test_what_waits_to_be_read_is_not_lost(tmp_path: Path) -> None:
    """The process is kept from its processor for long, and only then reads."""

    async def run() -> None:
        world = Comparing(tmp_path, counted=9, entered=6)
        settling = asyncio.create_task(world.settle())
        await asyncio.sleep(0.03)
        time.sleep(0.5)
        await asyncio.sleep(0)
        world.ledger.add(_SLOT, _GOOD, 3)
        await settling
        assert world.kept == []
        world.ledger.close()

    asyncio.run(run())


def test_another_worker_meanwhile_ends_the_comparison(tmp_path: Path) -> None:
    """What the worker before had counted is not missing in the ledger of the next one, which begins at 0."""

    async def run() -> None:
        world = Comparing(tmp_path, counted=5000, entered=4990)
        settling = asyncio.create_task(world.settle())
        await asyncio.sleep(0.05)
        world.haproxy.worker, world.haproxy.counted = 43, 2
        world.records.begin(43)
        await settling
        assert world.kept == []
        world.ledger.close()

    asyncio.run(run())


def test_a_worker_that_is_not_known_yet_is_not_counted_twice(tmp_path: Path) -> None:
    """HAProxy takes requests from its start on, and its records may come before it is known who it is."""

    async def run() -> None:
        world = Comparing(tmp_path, counted=3, entered=0)
        world.records.strangers.update({(43, _SLOT, _GOOD): 3, (44, _SLOT, _GOOD): 9})
        world.haproxy.worker = 43
        await world.settle()
        assert world.kept == [] and world.ledger.get(_SLOT, _GOOD) == 0
        await world.accounts.begin()
        assert (world.ledger.worker, world.ledger.get(_SLOT, _GOOD)) == (43, 3)
        await world.settle()
        await world.accounts.begin()
        assert world.kept == [] and world.ledger.get(_SLOT, _GOOD) == 3
        world.ledger.close()

    asyncio.run(run())
