"""The folder of logs of one allocation as a node has it: written, rotated and read by the calls of the fs interface."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.plugins.nomad_stand_in import Heard, Said

BEGUN_AT = datetime(2026, 11, 23, 9, 0, 0, tzinfo=UTC)
DENIED = Said(403, "Permission denied")


@dataclass(slots=True)
class Folder:
    """Files by name. `tasks` are those of the job. `has_fs`: whether the token may read files. `frame_bytes`: how much
    a frame holds. `vanish`: files that are gone when they are read, though they were listed."""

    tasks: tuple[str, ...] = ("server",)
    has_fs: bool = True
    frame_bytes: int = 7
    files: dict[str, bytes] = field(default_factory=dict)
    modified_at: dict[str, datetime] = field(default_factory=dict)
    vanish: set[str] = field(default_factory=set)
    most_read: int = 0

    def write(self, name: str, data: bytes, after_s: float = 0.0) -> None:
        """Add to a file, `after_s` after the beginning."""
        self.files[name] = self.files.get(name, b"") + data
        self.modified_at[name] = BEGUN_AT + timedelta(seconds=after_s)

    def rotate_away(self, name: str) -> None:
        del self.files[name]

    def __call__(self, heard: Heard) -> Said:
        call = heard.path.split("/")[4]
        if call in {"ls", "readat"} and not self.has_fs:
            return DENIED
        if call == "ls":
            return Said(200, self._list())
        if call == "readat":
            return self._read(heard)
        return self._frame(heard)

    def _list(self) -> list[dict[str, object]]:
        rows = [self._row(name) for name in self.files]
        return [*rows, {"Name": ".server.stdout.fifo", "Size": 0, "IsDir": False, "ModTime": "2026-11-23T09:00:00Z"}]

    def _row(self, name: str) -> dict[str, object]:
        stamp = self.modified_at[name].strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z"
        return {"Name": name, "Size": len(self.files[name]), "IsDir": False, "ModTime": stamp}

    def _read(self, heard: Heard) -> Said:
        name = heard.query["path"][0].removeprefix("alloc/logs/")
        if name in self.vanish:
            self.files.pop(name, None)
        if name not in self.files:  # an error as text, with status 200, as real agents give it
            return Said(200, f"stat /srv/demo/data/alloc/logs/{name}: no such file or directory")
        offset, limit = int(heard.query["offset"][0]), int(heard.query["limit"][0])
        self.most_read = max(self.most_read, limit)
        return Said(200, self.files[name][offset : offset + limit])

    def _frame(self, heard: Heard) -> Said:
        task, output = heard.query["task"][0], heard.query["type"][0]
        if task not in self.tasks:
            return Said(400, f'unknown task name "{task}"')
        names = [name for name in self.files if name.startswith(f"{task}.{output}.")]
        if not names:
            return Said(404, f'task "{task}" not started yet. No logs available')
        if heard.query["origin"] == ["end"]:
            data = b"".join(self.files[name] for name in sorted(names))[-int(heard.query["offset"][0]) :]
            return Said(stream=lambda: iter([_frame(names[-1], data)]))
        return Said(stream=lambda: self._frames(sorted(names, key=lambda name: int(name.rpartition(".")[2]))))

    def _frames(self, names: list[str]) -> Iterator[bytes]:
        for name in names:
            for begin in range(0, len(self.files[name]), self.frame_bytes):
                frame = _frame(name, self.files[name][begin : begin + self.frame_bytes])
                yield frame[:9]
                yield frame[9:] + b"{}"


def _frame(name: str, data: bytes) -> bytes:
    return json.dumps({"Data": base64.b64encode(data).decode(), "File": f"alloc/logs/{name}", "Offset": 1}).encode()
