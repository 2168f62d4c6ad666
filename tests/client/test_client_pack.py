"""Packing: the same folder is the same bundle anywhere, and nothing leaves the folder."""

from __future__ import annotations

import gzip
import io
import os
import socket
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.client.folder import Limits, list_folder
from serai.client.gzip_stored import StoredGzip
from serai.client.pack import pack_folder
from serai.domain.errors import Invalid
from serai.plugin.archive import unpack

# Frozen: a change of these bytes would make a new version of every deployed folder.
DIGEST = "sha256:71d39cc2c78b9c3a7d90342157620d031e198ab35180c0919141682dc86c1b3d"


def make_model(folder: Path) -> Path:
    (folder / "data" / "deep").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "start.sh").write_text("#!/bin/sh\nexec python3 server.py\n")
    (folder / "server.py").write_text("print('hello')\n")
    (folder / "data" / "weights.bin").write_bytes(bytes(range(256)) * 300)
    (folder / "data" / "deep" / ("long-" * 30 + "name.txt")).write_text("x")
    (folder / "data" / "gr\u00fc\u00dfe.txt").write_text("\u00e4")
    (folder / "serai.yaml").write_text("name: model\n")
    (folder / "latest").symlink_to("data/weights.bin")
    return folder


def read_names(folder: Path) -> list[str]:
    with pack_folder(folder) as packed, tarfile.open(packed.path) as archive:
        return archive.getnames()


def test_the_digest_depends_on_names_and_contents_alone(tmp_path: Path) -> None:
    first, second = make_model(tmp_path / "first"), make_model(tmp_path / "second")
    os.utime(second / "server.py", (1, 1))
    (second / "server.py").chmod(0o600)
    (second / "start.sh").chmod(0o755)
    (second / "serai.yaml").write_text("name: model\nreplicas: 4\n")
    with pack_folder(first) as one, pack_folder(second) as two:
        assert one.digest == two.digest
        assert one.path.read_bytes() == two.path.read_bytes()
        assert one.files == 6
    (second / "server.py").chmod(0o755)
    with pack_folder(second) as executable:
        assert executable.digest != one.digest


def test_the_bytes_are_frozen(tmp_path: Path) -> None:
    with pack_folder(make_model(tmp_path / "model")) as packed:
        assert packed.digest == DIGEST


def test_it_can_be_unpacked_by_everybody(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model")
    with pack_folder(folder) as packed:
        unpack(packed.path, tmp_path / "ours")
        with tarfile.open(packed.path) as archive:
            archive.extractall(tmp_path / "theirs", filter="data")
            members = archive.getmembers()
    for place in (tmp_path / "ours", tmp_path / "theirs"):
        assert (place / "data" / "weights.bin").read_bytes() == (folder / "data" / "weights.bin").read_bytes()
        assert (place / "latest").readlink() == Path("data/weights.bin")
        assert os.access(place / "start.sh", os.X_OK)
        assert (place / "empty").is_dir()
        assert not (place / "serai.yaml").exists()
    assert {(member.uid, member.gid, member.uname, member.mtime) for member in members} == {(0, 0, "", 0)}
    assert {member.mode for member in members if member.isfile()} == {0o644, 0o755}


def test_progress_is_told_in_bytes(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    with pack_folder(tmp_path, lambda done, total: told.append((done, total))):
        pass
    assert told == [(1048576, 3000000), (2097152, 3000000), (3000000, 3000000)]


def test_the_file_is_gone_afterwards(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pack_folder(tmp_path) as packed:
        assert packed.path.stat().st_size == packed.size_bytes
    assert not packed.path.exists()
    assert not packed.path.parent.exists()


def test_ignore_files(tmp_path: Path) -> None:
    for path in (".git/config", ".venv/x", "a/__pycache__/x.pyc", ".serai/serai.db", "a/keep.py", "a/run.log", "b.log"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert read_names(tmp_path) == ["a", "a/keep.py", "a/run.log", "b.log"]
    (tmp_path / ".gitignore").write_text("*.log\n!b.log\n")
    assert read_names(tmp_path) == [".gitignore", "a", "a/keep.py", "b.log"]
    (tmp_path / ".seraiignore").write_text("/a/\n.gitignore\n")
    assert read_names(tmp_path) == ["b.log"]


def test_the_order_is_by_parts_of_the_path(tmp_path: Path) -> None:
    for path in ("a-b/x", "a/y", "a.txt", "B"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    assert read_names(tmp_path) == ["B", "a", "a/y", "a-b", "a-b/x", "a.txt"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "sub/../../outside", "out"])
def test_links_that_lead_outside_are_refused(tmp_path: Path, target: str) -> None:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "outside").write_text("secret")
    (folder / "out").symlink_to("..")
    (folder / "link").symlink_to(target)
    with pytest.raises(Invalid, match=r"outside of the folder; copy the file, or list it in \.seraiignore"):
        list_folder(folder)


def test_links_that_stay_inside_are_kept_relative(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "sub" / "link").symlink_to(tmp_path.resolve() / "file")
    (tmp_path / "folder").symlink_to("sub")
    (tmp_path / "loop").symlink_to("later")
    links = {entry.path: entry.link for entry in list_folder(tmp_path) if entry.link}
    assert links == {"sub/link": "../file", "folder": "sub", "loop": "later"}


def test_what_is_no_file_is_refused_unless_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with pytest.raises(Invalid, match="pipe is neither a file nor a folder"):
        list_folder(Path())
    Path("pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        with pytest.raises(Invalid, match="socket is neither"):
            list_folder(Path())
        Path(".seraiignore").write_text("socket\n")
        assert list_folder(Path()) == []


def test_names_that_are_not_utf_8_are_refused(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"caf\xe9")).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(Invalid, match="is not UTF-8; rename it"):
        list_folder(tmp_path)


def test_limits(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / str(number)).write_bytes(b"x" * 100)
    assert len(list_folder(tmp_path, Limits(files=4, size_bytes=400))) == 4
    for limits in (Limits(files=3), Limits(size_bytes=399)):
        with pytest.raises(Invalid) as caught:
            list_folder(tmp_path, limits)
        assert caught.value.code == "bundle-too-large"
        assert ".seraiignore" in caught.value.message


def test_nothing_to_pack_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(Invalid, match="holds nothing to deploy"), pack_folder(tmp_path):
        pass


def test_a_file_that_changes_meanwhile_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "growing"
    path.write_bytes(b"x" * 2_000_000)

    def grow(done: int, _total: int) -> None:
        if done < 2_000_000:
            with path.open("ab") as file:
                file.write(b"more")

    with pytest.raises(Invalid, match="changed while it was being packed"), pack_folder(tmp_path, grow):
        pass


def test_a_broken_pattern_is_named(tmp_path: Path) -> None:
    (tmp_path / ".seraiignore").write_text("ok\n!\n")
    with pytest.raises(Invalid, match=r"\.seraiignore line 2: '!' is not a pattern"):
        list_folder(tmp_path)


@given(st.lists(st.binary(max_size=200_000), max_size=4))
def test_stored_gzip_is_gzip(parts: list[bytes]) -> None:
    sink = io.BytesIO()
    packed = StoredGzip(sink)
    for part in parts:
        packed.write(part)
    packed.close()
    assert gzip.decompress(sink.getvalue()) == b"".join(parts)
