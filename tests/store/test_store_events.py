"""The timeline."""

from __future__ import annotations

import pytest

from serai.store import events
from serai.store.database import Database
from tests.store.intent import NOW, at_once, later


def test_event_is_read_back_as_it_was(db: Database) -> None:
    added = events.add_event(db, NOW, "replica.lost", "digits", 3, "digits-v3/2", "text 🙂", "ann")
    assert events.list_events(db) == [added]
    bare = events.add_event(db, NOW, "server.started", "")
    assert (bare.version, bare.replica, bare.text, bare.actor) == (None, "", "", "")
    assert events.list_events(db, limit=1) == [bare]


def test_lists(db: Database) -> None:
    assert (events.last_event_id(db), events.list_events(db), events.events_after(db, 0)) == (0, [], [])
    made = [events.add_event(db, later(i), "a.done", "even" if i % 2 == 0 else "odd") for i in range(6)]
    assert events.list_events(db) == made[::-1]
    assert events.list_events(db, "even") == made[4::-2]
    assert events.list_events(db, limit=2) == made[:3:-1]
    own = events.add_event(db, later(6), "a.done", "odd", actor="ann")
    assert events.list_events(db, actor="ann") == events.list_events(db, "odd", actor="ann") == [own]
    assert events.list_events(db, "even", actor="ann") == events.list_events(db, actor="bob") == []
    made.append(own)
    assert events.list_events(db, after_id=made[3].id) == made[:3:-1]
    assert events.events_after(db, made[2].id) == made[3:]
    assert events.last_event_id(db) == made[-1].id


@pytest.mark.parametrize(("text", "kept"), [("a\0b", "ab"), ("bad \udcff end", "bad ? end"), ("x" * 100_000,) * 2])
def test_any_text_of_a_log_can_be_kept(db: Database, text: str, kept: str) -> None:
    assert events.add_event(db, NOW, "version.failed", "digits", text=text).text == kept
    assert events.list_events(db)[0].text == kept


def test_pruned_ids_are_not_used_again(db: Database) -> None:
    made = [events.add_event(db, later(i), "a.done", "digits") for i in range(4)]
    assert events.prune_events(db, later(2)) == 2
    assert events.list_events(db) == made[:1:-1]
    assert events.prune_events(db, later(100)) == 2
    assert events.add_event(db, NOW, "a.done", "digits").id > made[-1].id


def test_reader_that_follows_misses_none(db: Database) -> None:
    """An id must never become visible after a higher one."""

    def act(index: int) -> list[int]:
        if index < 8:
            return [events.add_event(db, NOW, "a.done", "digits").id for _ in range(10)]
        seen: list[int] = []
        while len(seen) < 80:
            seen += [event.id for event in events.events_after(db, max(seen, default=0))]
        return seen

    *written, seen = at_once(9, act)
    assert seen == sorted(id for ids in written for id in ids)
