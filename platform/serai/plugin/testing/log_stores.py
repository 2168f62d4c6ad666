"""The contract of `serai.plugin.LogStore` as tests to inherit, under a name that begins with Test."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from serai.domain.errors import Invalid
from serai.domain.log_filter import ALL_LINES, LogFilter
from serai.domain.observation import LogLine, Stream
from serai.plugin.log_store import LogKey, LogStore

Open = Callable[[], LogStore]

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
KEY = LogKey("kit-v1", "kit-1")
_ODD_TEXTS = ("", " ", "  indented", "= 12", "\tfields\there", "é \N{GRINNING FACE} \N{REPLACEMENT CHARACTER}",
              "carriage\r", "\x1b[31mred\x1b[0m", "x" * 100_000)  # fmt: skip
_ODD_REPLICAS = ("..", ".", "../../x", "a/b", "a b", "é", "x" * 60)


def make_line(number: int, text: str | None = None, stream: Stream = Stream.STDOUT, key: LogKey = KEY) -> LogLine:
    """Return a line, a second after the one before it, as a scheduler gives it."""
    at = BEGIN + timedelta(seconds=number, microseconds=number)
    return LogLine(at, key.replica, stream, f"line {number}" if text is None else text, f"scheduler:{number + 1}")


def make_lines(begin: int, end: int, key: LogKey = KEY) -> list[LogLine]:
    return [make_line(number, key=key) for number in range(begin, end)]


def load_texts(
    store: LogStore, wanted: LogFilter = ALL_LINES, after: str | None = None, key: LogKey = KEY
) -> list[str]:
    return [line.text for line in store.read(key, wanted, after)]


def numbered(begin: int, end: int) -> list[str]:
    return [f"line {number}" for number in range(begin, end)]


class LogStoreContract:
    """What was appended is read back, whole and in order, each line once."""

    @pytest.fixture
    def open_store(self) -> Open:
        """Override: return what opens the store; opened again it finds what was kept, if it keeps over a restart."""
        raise NotImplementedError("override the fixture `open_store`")

    @pytest.fixture
    def keeps_over_restart(self) -> bool:
        """Override with False for a store that is empty after each start."""
        return True

    def test_nothing_is_kept_at_first(self, open_store: Open) -> None:
        store = open_store()
        assert store.cursor(KEY) is None and store.list_logs(KEY.workload) == []
        reading = store.read(KEY, ALL_LINES)
        assert list(reading) == [] and reading.cursor is None
        store.forget(KEY.workload)
        store.seal(KEY)

    def test_lines_come_back_as_they_were(self, open_store: Open) -> None:
        store = open_store()
        lines = [make_line(place, text, list(Stream)[place % 3]) for place, text in enumerate(_ODD_TEXTS)]
        store.append(KEY, lines[:4])
        store.append(KEY, lines[4:])
        store.append(KEY, [])
        kept = list(store.read(KEY, ALL_LINES))
        assert [(k.at, k.replica, k.stream, k.text) for k in kept] == [
            (line.at, line.replica, line.stream, line.text) for line in lines
        ]
        assert len({line.cursor for line in kept}) == len(lines)
        assert not any(character.isspace() for line in kept for character in line.cursor)

    def test_collecting_goes_on_behind_the_last_line(self, open_store: Open) -> None:
        store = open_store()
        store.append(KEY, make_lines(0, 3))
        assert store.cursor(KEY) == "scheduler:3"
        store.append(KEY, make_lines(3, 4))
        assert store.cursor(KEY) == "scheduler:4"
        assert store.cursor(LogKey(KEY.workload, "other")) is None

    def test_what_is_kept_outlives_a_restart(self, open_store: Open, keeps_over_restart: bool) -> None:
        store = open_store()
        store.append(KEY, make_lines(0, 3))
        position = list(store.read(KEY, ALL_LINES))[1].cursor
        store.close()
        again = open_store()
        if not keeps_over_restart:
            assert again.cursor(KEY) is None and load_texts(again) == []
            return
        assert again.cursor(KEY) == "scheduler:3"
        again.append(KEY, make_lines(3, 5))
        assert load_texts(again) == numbered(0, 5)
        assert load_texts(again, ALL_LINES, position) == numbered(2, 5)
        again.close()

    def test_reading_goes_on_behind_any_line(self, open_store: Open) -> None:
        store = open_store()
        for number in range(0, 9, 3):
            store.append(KEY, make_lines(number, number + 3))
        for place, line in enumerate(list(store.read(KEY, ALL_LINES))):
            assert load_texts(store, ALL_LINES, line.cursor) == numbered(place + 1, 9)

    def test_a_reading_has_what_came_before_its_first_line(self, open_store: Open) -> None:
        store = open_store()
        reading = store.read(KEY, ALL_LINES)
        store.append(KEY, make_lines(0, 3))
        assert [line.text for line in reading] == numbered(0, 3)

    def test_a_reading_moves_on_over_what_is_not_wanted(self, open_store: Open) -> None:
        store = open_store()
        store.append(KEY, make_lines(0, 20))
        reading = store.read(KEY, LogFilter(text="nowhere"))
        assert list(reading) == []
        store.append(KEY, make_lines(20, 22))
        assert load_texts(store, ALL_LINES, reading.cursor) == numbered(20, 22)

    def test_lines_are_chosen(self, open_store: Open) -> None:
        store = open_store()
        store.append(KEY, make_lines(0, 5))
        store.append(KEY, [make_line(5, "LINE of Another Kind", Stream.STDERR), make_line(6)])
        since = LogFilter(since=make_line(4).at)
        assert load_texts(store, since) == ["line 4", "LINE of Another Kind", "line 6"]
        assert load_texts(store, LogFilter(since=make_line(1).at, until=make_line(3).at)) == numbered(1, 3)
        assert load_texts(store, LogFilter(stream=Stream.STDERR)) == ["LINE of Another Kind"]
        assert load_texts(store, LogFilter(text="another")) == ["LINE of Another Kind"]
        assert load_texts(store, LogFilter(stream=Stream.STDOUT, text="line 6")) == ["line 6"]

    @pytest.mark.parametrize("count", [0, 1, 7, 50])
    def test_the_last_lines_are_found(self, open_store: Open, count: int) -> None:
        store = open_store()
        store.append(KEY, make_lines(0, 20))
        found = load_texts(store, ALL_LINES, store.find_last(KEY, ALL_LINES, count))
        assert numbered(0, 20)[-count or 20 :] == found[-count or 20 :]

    def test_a_sealed_log_goes_on_all_the_same(self, open_store: Open) -> None:
        store = open_store()
        store.append(KEY, make_lines(0, 3))
        store.seal(KEY)
        store.seal(KEY)
        assert (store.cursor(KEY), load_texts(store)) == ("scheduler:3", numbered(0, 3))
        store.append(KEY, make_lines(3, 5))
        assert load_texts(store) == numbered(0, 5)

    @pytest.mark.parametrize("replica", _ODD_REPLICAS)
    def test_replicas_are_kept_apart_whatever_they_are_called(self, open_store: Open, replica: str) -> None:
        store, key = open_store(), LogKey(KEY.workload, replica)
        store.append(KEY, make_lines(0, 2))
        store.append(key, make_lines(5, 6, key))
        assert load_texts(store) == numbered(0, 2) and load_texts(store, key=key) == numbered(5, 6)
        assert {log.replica for log in store.list_logs(KEY.workload)} == {KEY.replica, replica}
        assert all(log.size_bytes > 0 for log in store.list_logs(KEY.workload))

    def test_what_is_no_cursor_is_refused(self, open_store: Open) -> None:
        store = open_store()
        store.append(KEY, make_lines(0, 2))
        with pytest.raises(Invalid):
            list(store.read(KEY, ALL_LINES, "no cursor of anybody's"))

    def test_logs_go_with_their_version(self, open_store: Open) -> None:
        store, other = open_store(), LogKey("kit-v2", KEY.replica)
        store.append(KEY, make_lines(0, 2))
        store.append(other, make_lines(0, 3, other))
        store.forget("kit-v1")
        store.forget("kit-v1")
        assert (load_texts(store), store.cursor(KEY), store.list_logs("kit-v1")) == ([], None, [])
        assert load_texts(store, key=other) == numbered(0, 3)
        store.append(KEY, make_lines(7, 8))
        assert load_texts(store) == numbered(7, 8)

    def test_pruning_keeps_what_is_known_and_young(self, open_store: Open) -> None:
        store, orphan = open_store(), LogKey("gone-v1", "gone-1")
        store.append(KEY, make_lines(0, 2))
        store.append(orphan, make_lines(0, 2, orphan))
        store.prune(BEGIN + timedelta(minutes=1), lambda: [KEY.workload], lambda key: key == KEY)
        assert load_texts(store) == numbered(0, 2) and store.cursor(KEY) == "scheduler:2"
        assert load_texts(store, key=orphan) == [] and store.list_logs("gone-v1") == []

    def test_readers_see_whole_batches_while_lines_come(self, open_store: Open) -> None:
        store, batch, failures = open_store(), 10, list[str]()
        is_over = threading.Event()

        def read() -> None:
            while not is_over.is_set():
                found = load_texts(store)
                if found != numbered(0, len(found)) or len(found) % batch:
                    failures.append(f"{len(found)} lines: {found[-3:]}")

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for number in range(0, 200, batch):
            store.append(KEY, make_lines(number, number + batch))
            if number % 70 == 0:
                store.seal(KEY)
        is_over.set()
        for reader in readers:
            reader.join()
        assert failures == [] and load_texts(store) == numbered(0, 200)

    def test_close_twice(self, open_store: Open) -> None:
        store = open_store()
        store.append(KEY, make_lines(0, 1))
        store.close()
        store.close()
