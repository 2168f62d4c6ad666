"""What is seen in a bundle without unpacking it."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from serai.domain.errors import Invalid, NotFound
from serai_nomad.job.bundle_contents import MOST_FILES, BundleContents, read_contents

TEXT = b"six==1.17\n"
KEY = hashlib.sha256(TEXT).hexdigest()


def pack(path: Path, files: dict[str, bytes], links: dict[str, str] | None = None, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return path


# files -> what is said
SEEN: list[tuple[dict[str, bytes], BundleContents]] = [
    ({"start.sh": b"x"}, BundleContents()),
    ({"a/requirements.txt": TEXT}, BundleContents()),
    ({"requirements.txt": TEXT}, BundleContents(requirements=KEY)),
    ({"./requirements.txt": TEXT}, BundleContents(requirements=KEY)),
    ({"requirements.txt": b""}, BundleContents(requirements=hashlib.sha256(b"").hexdigest())),
]


@pytest.mark.parametrize(("files", "contents"), SEEN)
def test_requirements_are_found_at_the_top(tmp_path: Path, files: dict[str, bytes], contents: BundleContents) -> None:
    assert read_contents(pack(tmp_path / "b", files)) == contents


@pytest.mark.parametrize("line", ["-r more.txt", " -e .", "./a.whl", "a @ file:///x", "a @ ./b", "--constraint c.txt"])
def test_lines_that_name_files_are_found(tmp_path: Path, line: str) -> None:
    assert read_contents(pack(tmp_path / "b", {"requirements.txt": f"six\n{line}\n".encode()})).names_files


def test_an_archive_without_gzip_is_known_as_such(tmp_path: Path) -> None:
    assert not read_contents(pack(tmp_path / "b", {"a": b""}, mode="w")).is_packed


def test_links_take_a_tar(tmp_path: Path) -> None:
    assert read_contents(pack(tmp_path / "b", {"a": b""}, {"b": "a"})).needs_tar


@pytest.mark.parametrize(("count", "needs_tar"), [(MOST_FILES, False), (MOST_FILES + 1, True)])
def test_very_many_files_take_a_tar(tmp_path: Path, count: int, needs_tar: bool) -> None:
    files = {f"f{number}": b"" for number in range(count)}
    assert read_contents(pack(tmp_path / "b", files, mode="w")).needs_tar is needs_tar


def test_a_bundle_that_is_not_there_or_no_archive(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_contents(tmp_path / "b")
    (tmp_path / "b").write_bytes(b"\x1f\x8bnonsense")
    with pytest.raises(Invalid, match="cannot be read"):
        read_contents(tmp_path / "b")
