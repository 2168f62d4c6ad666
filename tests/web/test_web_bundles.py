"""Uploads: whole, in parts, damaged, too large, hostile."""

from __future__ import annotations

import io
import tarfile
from hashlib import sha256
from pathlib import Path

import pytest

from serai.web.blocking import Limits
from tests.web.installation import Installation, make_bundle

DIGEST, PACKED = make_bundle(**{"start.sh": "echo hello", "model.bin": "".join(map(str, range(1000)))})
PATH = f"/bundles/{DIGEST}"


def test_an_upload_is_there_and_is_taken_once(installation: Installation) -> None:
    caller = installation.caller("writer")
    missing = caller.send("HEAD", PATH)
    assert (missing.status_code, missing.headers["Upload-Offset"], missing.text) == (404, "0", "")
    made = caller.put(PATH, PACKED)
    assert (made.status_code, made.json) == (201, {"digest": DIGEST, "size": len(PACKED), "complete": True})
    assert caller.put(PATH, b"whatever").status_code == 200
    found = caller.send("HEAD", PATH)
    assert (found.status_code, found.headers["Upload-Offset"]) == (200, str(len(PACKED)))


def part(first: int, last: int) -> tuple[bytes, dict[str, str]]:
    return PACKED[first : last + 1], {"Content-Range": f"bytes {first}-{last}/{len(PACKED)}"}


def test_an_upload_in_parts_goes_on_where_it_was_cut_off(installation: Installation) -> None:
    caller, end = installation.caller(), len(PACKED) - 1
    first = caller.put(PATH, *part(0, 99))
    assert (first.status_code, first.headers["Upload-Offset"]) == (202, "100")
    assert caller.send("HEAD", PATH).headers["Upload-Offset"] == "100"
    wrong = caller.put(PATH, *part(50, 149))
    assert (wrong.status_code, wrong.json["code"]) == (409, "bundle-offset")
    last = caller.put(PATH, *part(100, end))
    assert (last.status_code, last.json["complete"]) == (201, True)
    assert caller.send("HEAD", PATH).status_code == 200


def test_an_upload_whose_last_answer_was_lost_is_finished(installation: Installation) -> None:
    caller, blobs = installation.caller(), installation.core.blobs
    blobs.append(PATH.rpartition("/")[2], 0, [PACKED])
    assert caller.send("HEAD", PATH).headers["Upload-Offset"] == str(len(PACKED))
    last = caller.put(PATH, b"", {"Content-Range": f"bytes */{len(PACKED)}"})
    assert (last.status_code, last.json["complete"]) == (201, True)


@pytest.mark.parametrize("text", ["bytes */10", "bytes 0-1", "lines 0-1/2", "bytes 5-1/9", "x", "bytes 0-98/500"])
def test_a_range_that_is_none_is_refused(installation: Installation, text: str) -> None:
    answer = installation.caller().put(PATH, PACKED[:100], {"Content-Range": text})
    assert (answer.status_code, answer.json["field"]) == (422, "Content-Range")


def test_a_damaged_upload_leaves_nothing(installation: Installation) -> None:
    caller = installation.caller()
    for damaged in (PACKED[:-5], PACKED + b"x", b""):
        answer = caller.put(PATH, damaged)
        assert (answer.status_code, answer.json["code"]) == (422, "bundle-corrupt")
    assert list((installation.core.data_dir / "bundles").iterdir()) == []
    assert caller.put(PATH, PACKED).status_code == 201


def test_a_hostile_archive_is_refused_and_forgotten(installation: Installation) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../escape"))
    digest = f"sha256:{sha256(packed.getvalue()).hexdigest()}"
    answer = installation.caller().put(f"/bundles/{digest}", packed.getvalue())
    assert (answer.status_code, answer.json["code"]) == (422, "bundle-broken")
    assert installation.caller().send("HEAD", f"/bundles/{digest}").status_code == 404


def test_a_bundle_larger_than_the_limit(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "data", Limits.of_threads(8, bundle_bytes=100))
    try:
        answer = installation.caller().put(PATH, PACKED)
        assert answer.status_code == 413
        assert answer.json["code"] in {"bundle-too-large", "too-large"}
    finally:
        installation.close()
