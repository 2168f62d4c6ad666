"""Bundles: complete and correct, or not there."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serai.domain.errors import Conflict, Invalid, NotFound, SeraiError
from serai.store.blobs import BlobStore
from tests.store.children import run_on_small_disk
from tests.store.intent import at_once

CONTENT = bytes(range(256)) * 1000
LIMIT = len(CONTENT)
HOUR = timedelta(hours=1)


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


DIGEST = digest_of(CONTENT)
NOWHERE = digest_of(b"nowhere")


def parts(content: bytes = CONTENT, size: int = 1000) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def breaking_off(error: Exception) -> Iterator[bytes]:
    yield CONTENT[:5000]
    raise error


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "deep" / "bundles")


def files(blobs: BlobStore) -> list[str]:
    return sorted(file.name for file in blobs.root.iterdir()) if blobs.root.is_dir() else []


def make_old(blobs: BlobStore) -> None:
    for file in blobs.root.iterdir():
        os.utime(file, (1, 1))


def test_received_bundle_is_there(blobs: BlobStore) -> None:
    assert not blobs.has(DIGEST)
    path = blobs.receive(DIGEST, parts(), LIMIT)
    assert path.read_bytes() == CONTENT
    assert blobs.path(DIGEST) == path
    assert blobs.has(DIGEST)
    assert files(blobs) == [DIGEST.removeprefix("sha256:")]
    assert stat.S_IMODE(blobs.root.stat().st_mode) == 0o700


def test_empty_bundle(blobs: BlobStore) -> None:
    assert blobs.receive(digest_of(b""), iter(()), 0).read_bytes() == b""


def test_bundle_that_is_there_is_not_read_again(blobs: BlobStore) -> None:
    blobs.receive(DIGEST, parts(), LIMIT)
    assert blobs.receive(DIGEST, breaking_off(AssertionError("read")), 0) == blobs.path(DIGEST)


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT[1:], b"", CONTENT[:-1] + b"\0"])
def test_wrong_content_is_refused(blobs: BlobStore, content: bytes) -> None:
    with pytest.raises(Invalid, match=f"arrived damaged: it is {digest_of(content)}, not {DIGEST}") as refusal:
        blobs.receive(DIGEST, parts(content), LIMIT)
    assert refusal.value.code == "bundle-corrupt"
    assert files(blobs) == []


def test_too_large_is_refused_before_it_is_written(blobs: BlobStore) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield CONTENT

    with pytest.raises(Invalid, match=f"larger than the limit of {LIMIT - 1} bytes") as refusal:
        blobs.receive(DIGEST, endless(), LIMIT - 1)
    assert refusal.value.code == "bundle-too-large"
    assert files(blobs) == []


@pytest.mark.parametrize("error", [ConnectionResetError(), ValueError("chunk"), KeyboardInterrupt()])
def test_upload_that_breaks_off_leaves_nothing(blobs: BlobStore, error: Exception) -> None:
    with pytest.raises(type(error)):
        blobs.receive(DIGEST, breaking_off(error), LIMIT)
    assert files(blobs) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_is_said_so(blobs: BlobStore, number: int) -> None:
    with pytest.raises(SeraiError, match="is full; free some space") as trouble:
        blobs.receive(DIGEST, breaking_off(OSError(number, "full")), LIMIT)
    assert trouble.value.code == "disk-full"
    assert files(blobs) == []


_FILLER = """
import hashlib, json, sys
from pathlib import Path
from serai.domain.errors import SeraiError
from serai.store.blobs import BlobStore

content = bytes(range(256)) * 8000
digest = "sha256:" + hashlib.sha256(content).hexdigest()
parts = [content[start : start + 10000] for start in range(0, len(content), 10000)]
blobs = BlobStore(Path(sys.argv[1]) / "bundles")
codes = []
for act in (lambda: blobs.receive(digest, parts, 10**9), lambda: blobs.append(digest, 0, parts)):
    try:
        act()
    except SeraiError as error:
        codes.append(error.code)
    codes.append(len(list(blobs.root.iterdir())))
print(json.dumps([codes, blobs.offset(digest)]))
"""


def test_really_full_disk_is_said_so(tmp_path: Path) -> None:
    codes, offset = run_on_small_disk(tmp_path / "disk", _FILLER)
    assert codes == ["disk-full", 0, "disk-full", 1]
    assert 0 < offset < 2_000_000


@pytest.mark.parametrize(
    "digest", ["", "sha256:", "sha256:" + "A" * 64, "../" * 22, f"sha256:{'0' * 63}/", f"{DIGEST}\n", "md5:0"]
)
def test_other_names_are_refused(blobs: BlobStore, digest: str) -> None:
    for act in (blobs.path, blobs.has, blobs.delete, blobs.offset, blobs.finish):
        with pytest.raises(Invalid, match="64 hexadecimal digits"):
            act(digest)
    with pytest.raises(Invalid, match="64 hexadecimal digits"):
        blobs.receive(digest, parts(), LIMIT)
    with pytest.raises(Invalid, match="64 hexadecimal digits"):
        blobs.append(digest, 0, parts())
    assert files(blobs) == []


def test_missing_bundle_is_said_so(blobs: BlobStore) -> None:
    with pytest.raises(NotFound, match=f"no bundle {NOWHERE}") as refusal:
        blobs.path(NOWHERE)
    assert refusal.value.code == "bundle-missing"
    blobs.delete(NOWHERE)


def test_deleted_bundle_is_gone(blobs: BlobStore) -> None:
    blobs.receive(DIGEST, parts(), LIMIT)
    blobs.append(NOWHERE, 0, [b"x"])
    blobs.delete(DIGEST)
    blobs.delete(NOWHERE)
    assert files(blobs) == []


def test_the_same_bundle_from_many_at_once(blobs: BlobStore) -> None:
    paths = at_once(8, lambda index: blobs.receive(DIGEST, parts(), LIMIT))
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert files(blobs) == [DIGEST.removeprefix("sha256:")]


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, LIMIT), max_size=5))
def test_upload_is_resumed_wherever_it_broke_off(tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
    blobs = BlobStore(tmp_path_factory.mktemp("bundles"))
    for cut in sorted(cuts):
        offset = blobs.offset(DIGEST)
        assert blobs.append(DIGEST, offset, parts(CONTENT[offset:cut])) == cut
    offset = blobs.offset(DIGEST)
    assert offset == max(cuts, default=0)
    assert not blobs.has(DIGEST)
    blobs.append(DIGEST, offset, parts(CONTENT[offset:]))
    assert blobs.finish(DIGEST).read_bytes() == CONTENT
    assert blobs.finish(DIGEST) == blobs.path(DIGEST)
    assert files(blobs) == [DIGEST.removeprefix("sha256:")]
    assert blobs.offset(DIGEST) == LIMIT


def test_what_came_before_a_break_is_kept(blobs: BlobStore) -> None:
    with pytest.raises(ConnectionResetError):
        blobs.append(DIGEST, 0, breaking_off(ConnectionResetError()))
    assert blobs.offset(DIGEST) == 5000


def test_wrong_offset_is_refused(blobs: BlobStore) -> None:
    blobs.append(DIGEST, 0, [CONTENT[:10]])
    for offset in (0, 9, 11):
        with pytest.raises(Conflict, match=f"10 bytes of the bundle are here, not {offset}") as refusal:
            blobs.append(DIGEST, offset, [b"x"])
        assert refusal.value.code == "bundle-offset"
    assert blobs.offset(DIGEST) == 10


def test_resumed_upload_has_the_same_limit(blobs: BlobStore) -> None:
    blobs.append(DIGEST, 0, [CONTENT[:10]], limit_bytes=15)
    with pytest.raises(Invalid, match="larger than the limit of 15 bytes"):
        blobs.append(DIGEST, 10, [b"12345", b"6"], limit_bytes=15)
    assert blobs.offset(DIGEST) <= 15


def test_resumed_upload_with_wrong_content_begins_anew(blobs: BlobStore) -> None:
    with pytest.raises(NotFound, match="nothing was uploaded"):
        blobs.finish(DIGEST)
    blobs.append(DIGEST, 0, [b"wrong"])
    with pytest.raises(Invalid, match="arrived damaged"):
        blobs.finish(DIGEST)
    assert (blobs.offset(DIGEST), files(blobs)) == (0, [])


def test_sweep_takes_what_is_old_and_not_needed(blobs: BlobStore) -> None:
    contents = [b"needed", b"old", b"asked for", b"sent again"]
    needed, old, asked, sent = map(digest_of, contents)
    assert blobs.sweep(set(), HOUR) == 0, "a folder that is not there yet is fine"
    for content in contents:
        blobs.receive(digest_of(content), [content], 100)
    blobs.append(NOWHERE, 0, [b"left over"])
    (blobs.root / f"{'0' * 64}.beef.tmp").touch()
    make_old(blobs)
    blobs.append(DIGEST, 0, [b"just begun"])
    blobs.receive(DIGEST, parts(), LIMIT)
    assert blobs.has(asked)
    blobs.receive(sent, [], 0)
    assert blobs.sweep({needed, ""}, HOUR) == 3
    assert [blobs.has(digest) for digest in (needed, old, asked, sent, DIGEST)] == [True, False, True, True, True]
    assert blobs.offset(NOWHERE) == 0
