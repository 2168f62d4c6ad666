"""The contract of log stores: the bundled store of files passes it, and so does a small plugin, which a server uses."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from serai.domain.log_filter import ALL_LINES, LogFilter
from serai.domain.observation import LogLine
from serai.plugin.log_store import LogKey
from serai.plugin.testing.log_stores import LogStoreContract, Open
from serai.store.log_files import FileLogStore, LogLimits
from tests.plugin import memory_logs
from tests.plugin.memory_logs import MemoryLogStore, MemoryReading
from tests.web.installation import Installation


class TestFileLogStore(LogStoreContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> Open:
        return lambda: FileLogStore(tmp_path / "logs", LogLimits(), segment_bytes=2_000)


class TestMemoryLogStore(LogStoreContract):
    @pytest.fixture
    def open_store(self) -> Open:
        return MemoryLogStore

    @pytest.fixture
    def keeps_over_restart(self) -> bool:
        return False


class DropsEmptyLines(MemoryLogStore):
    def append(self, key: LogKey, lines: Sequence[LogLine]) -> None:
        super().append(key, [line for line in lines if line.text])


class DoublesOverBatches(MemoryLogStore):
    """Appends the last line of the batch before once more."""

    last: LogLine | None = None

    def append(self, key: LogKey, lines: Sequence[LogLine]) -> None:
        super().append(key, [self.last, *lines] if self.last else lines)
        self.last = lines[-1] if lines else self.last


class MisreadsCursors(MemoryLogStore):
    """Takes every 1 of a cursor for a 2."""

    def read(self, key: LogKey, wanted: LogFilter, after: str | None = None) -> MemoryReading:
        return super().read(key, wanted, after and after.replace("1", "2"))


class ForgetsItsCursor(MemoryLogStore):
    def seal(self, key: LogKey) -> None:
        self._kept[key].cursor = None


class TakesAnyCursor(MemoryLogStore):
    def read(self, key: LogKey, wanted: LogFilter, after: str | None = None) -> MemoryReading:
        return super().read(key, wanted, after if after and after.isdecimal() else None)


class KeepsWhatIsDeleted(MemoryLogStore):
    def forget(self, workload: str) -> None:
        """Do nothing."""


class ShowsHalfABatch(MemoryLogStore):
    def append(self, key: LogKey, lines: Sequence[LogLine]) -> None:
        for line in lines:
            super().append(key, [line])
            time.sleep(0.0005)


MUTANTS: list[tuple[Open, str]] = [
    (DropsEmptyLines, "test_lines_come_back_as_they_were"),
    (DoublesOverBatches, "test_reading_goes_on_behind_any_line"),
    (MisreadsCursors, "test_reading_goes_on_behind_any_line"),
    (ForgetsItsCursor, "test_a_sealed_log_goes_on_all_the_same"),
    (TakesAnyCursor, "test_what_is_no_cursor_is_refused"),
    (KeepsWhatIsDeleted, "test_logs_go_with_their_version"),
    (ShowsHalfABatch, "test_readers_see_whole_batches_while_lines_come"),
]


@pytest.mark.parametrize(("mutant", "test"), MUTANTS)
def test_the_kit_finds_a_store_that_breaks_a_promise(mutant: Open, test: str) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(LogStoreContract(), test)(mutant)


def test_a_server_keeps_lines_where_a_plugin_does(tmp_path: Path) -> None:
    made = Installation(tmp_path / "serai", plugins={"memory": memory_logs})
    try:
        made.deploy()
        replica = made.say("m", 1, "hello", "again")
        lines = made.caller("reader").get("/deployments/m/versions/1/logs").json["lines"]
        assert [line["text"] for line in lines][-2:] == ["hello", "again"]
        (store,) = [made for made in made.core.plugins._made if isinstance(made, MemoryLogStore)]
        assert [line.text for line in store.read(LogKey("m-v1", replica), ALL_LINES)][-2:] == ["hello", "again"]
        assert not list((tmp_path / "serai").glob("logs/*"))
    finally:
        made.close()
    assert store.is_closed
