"""Uploads: nothing that is there, from where a broken one stopped, and never without end."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from serai.client.client import Client
from serai.client.upload import CHUNK_BYTES, upload_bundle
from serai.domain.errors import Invalid, ServerUnavailable
from tests.client.scripted import Reply, ScriptedServer, Seen, reply_json, reply_problem

CONTENT = bytes(range(256)) * 8192  # 2 MiB


class Store:
    """Keeps a bundle as the server does; hangs up after `most` bytes of a part."""

    def __init__(self, most: int = 10**9) -> None:
        self.kept, self.most, self.puts = b"", most, 0

    def __call__(self, seen: Seen) -> Reply:
        if seen.method == "HEAD":
            whole = len(self.kept) == len(CONTENT)
            return Reply(200 if whole else 404, b"", {"Upload-Offset": str(len(self.kept))})
        self.puts += 1
        first = int(seen.headers.get("content-range", "bytes 0-").split()[1].partition("-")[0])
        assert first == len(self.kept), "the client has to go on where the kept part ends"
        self.kept += seen.body[: self.most]
        if len(self.kept) < len(CONTENT):
            return Reply(0, cut=True)
        return reply_json({"complete": True}, 201)


@pytest.fixture
def bundle(tmp_path: Path) -> tuple[Path, str]:
    path = tmp_path / "bundle"
    path.write_bytes(CONTENT)
    return path, f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


def test_it_is_sent_once(client: Client, scripted: ScriptedServer, bundle: tuple[Path, str]) -> None:
    scripted.fallback = store = Store()
    assert upload_bundle(client, *bundle) is True
    assert upload_bundle(client, *bundle) is False
    assert (store.kept == CONTENT, store.puts) == (True, 1)
    assert [seen.path for seen in scripted.seen] == [f"/api/v1/bundles/{bundle[1]}"] * 3


def test_it_goes_on_where_it_broke(client: Client, scripted: ScriptedServer, bundle: tuple[Path, str]) -> None:
    scripted.fallback = store = Store(most=700_000)
    told: list[tuple[int, int]] = []
    assert upload_bundle(client, *bundle, on_progress=lambda done, size: told.append((done, size))) is True
    assert store.kept == CONTENT
    ranges = [seen.headers.get("content-range") for seen in scripted.seen if seen.method == "PUT"]
    end = f"{len(CONTENT) - 1}/{len(CONTENT)}"
    assert ranges == [None, f"bytes 700000-{end}", f"bytes 1400000-{end}"]
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert told[0] == (CHUNK_BYTES, len(CONTENT))


def test_it_is_sent_in_parts(
    client: Client, scripted: ScriptedServer, bundle: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serai.client.upload.PART_BYTES", 1024 * 1024)
    kept: list[bytes] = []

    def keep(seen: Seen) -> Reply:
        if seen.method == "HEAD":
            return Reply(404, b"", {"Upload-Offset": "0"})
        kept.append(seen.body)
        return reply_json({"complete": len(kept) == 2}, 200 + len(kept))

    scripted.fallback = keep
    assert upload_bundle(client, *bundle) is True
    assert (len(kept), b"".join(kept)) == (2, CONTENT)


def test_it_finishes_what_was_sent_whole(client: Client, scripted: ScriptedServer, bundle: tuple[Path, str]) -> None:
    scripted.script.append(Reply(404, b"", {"Upload-Offset": str(len(CONTENT))}))
    scripted.script.append(reply_json({"complete": True}, 201))
    assert upload_bundle(client, *bundle) is True
    assert scripted.seen[-1].headers["content-range"] == f"bytes */{len(CONTENT)}"


def test_it_gives_up_where_nothing_moves(client: Client, scripted: ScriptedServer, bundle: tuple[Path, str]) -> None:
    scripted.fallback = Store(most=0)
    with pytest.raises(ServerUnavailable):
        upload_bundle(client, *bundle, patience_s=0.5)


def test_a_refusal_is_final(client: Client, scripted: ScriptedServer, bundle: tuple[Path, str]) -> None:
    scripted.script.extend([Reply(404, b""), reply_problem(413, "bundle-too-large", "larger than 1 MiB")])
    with pytest.raises(Invalid, match="larger than 1 MiB"):
        upload_bundle(client, *bundle)
    assert len(scripted.seen) == 2
