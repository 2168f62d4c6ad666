"""Bundles are unpacked without anything leaving the folder, and bad ones leave nothing behind."""

from __future__ import annotations

import errno
import gzip
import io
import os
import random
import stat
import struct
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serai.domain.errors import Invalid, NotFound, SeraiError
from serai.plugin import archive as archive_module
from serai.plugin import archive_tree
from serai.plugin.archive import Contents, Limits, check, unpack

Header = tuple[tarfile.TarInfo, bytes]
SMALL = Limits(max_bytes=20 * 2**20, max_entries=50, max_ratio=100)


def entry(name: str, data: bytes = b"", type: bytes = tarfile.REGTYPE, mode: int = 0o644, link: str = "") -> Header:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.size = type, mode, link, len(data)
    return info, data


def symlink(name: str, target: str) -> Header:
    return entry(name, type=tarfile.SYMTYPE, link=target, mode=0o777)


def hardlink(name: str, target: str) -> Header:
    return entry(name, type=tarfile.LNKTYPE, link=target)


def folder(name: str, mode: int = 0o755) -> Header:
    return entry(name, type=tarfile.DIRTYPE, mode=mode)


def make_tar(*entries: Header, format: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder to work in beside a secret; nothing but `place` may have changed afterwards."""
    (tmp_path / "secret").write_text("untouched")
    work = tmp_path / "work"
    work.mkdir()
    yield work
    assert (tmp_path / "secret").read_text() == "untouched"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret", "work"]


def write(place: Path, data: bytes) -> Path:
    (place / "bundle").write_bytes(data)
    return place / "bundle"


def refusal_of(place: Path, data: bytes, limits: Limits = SMALL) -> str:
    """Return the one message with which both verbs refuse `data`; nothing may be left."""
    bundle, messages = write(place, data), set()
    for verb in (lambda: check(bundle, limits), lambda: unpack(bundle, place / "out", limits)):
        with pytest.raises(Invalid) as raised:
            verb()
        assert raised.value.code == "bundle-broken" and raised.value.field == "bundle"
        messages.add(raised.value.message)
    assert [path.name for path in place.iterdir()] == ["bundle"]
    (message,) = messages
    return message


def tree_of(root: Path) -> dict[str, str]:
    """Return what is below `root`: path -> octal mode and content, or the target of a link."""
    found = {}
    for path in sorted(root.rglob("*")):
        name, mode = str(path.relative_to(root)), f"{stat.S_IMODE(path.lstat().st_mode):o}"
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        else:
            found[name] = f"{mode} " + (path.read_text() if path.is_file() else "/")
    return found


GOOD = (
    folder("./"),
    entry("./start.sh", b"#!/bin/sh", mode=0o755),
    entry("model/weights.bin", b"w" * 3000, mode=0o600),
    folder("model/empty", mode=0o2777),
    folder("model"),
    entry("ünï/日本.txt", b"hi"),
    hardlink("same.sh", "start.sh"),
    symlink("model/up.sh", "../start.sh"),
    symlink("here", "."),
    symlink("dangling", "not/there"),
    entry("x" * 120 + "/" + "y" * 200, b"long"),
)
UNPACKED = {
    "start.sh": "755 #!/bin/sh",
    "model": "755 /",
    "model/weights.bin": "644 " + "w" * 3000,
    "model/empty": "755 /",
    "model/up.sh": "-> ../start.sh",
    "ünï": "755 /",
    "ünï/日本.txt": "644 hi",
    "same.sh": "755 #!/bin/sh",
    "here": "-> .",
    "dangling": "-> not/there",
    "x" * 120: "755 /",
    "x" * 120 + "/" + "y" * 200: "644 long",
}


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_good_bundle(place: Path, pack: Callable[[bytes], bytes], format: int) -> None:
    bundle = write(place, pack(make_tar(*GOOD, format=format)))
    assert check(bundle, SMALL) == unpack(bundle, place / "out", SMALL) == Contents(12, 9 + 3000 + 2 + 4)
    assert tree_of(place / "out") == UNPACKED
    assert sorted(path.name for path in place.iterdir()) == ["bundle", "out"]


def test_an_empty_bundle(place: Path) -> None:
    bundle = write(place, make_tar())
    assert check(bundle) == unpack(bundle, place / "out") == Contents(0, 0)
    assert list((place / "out").iterdir()) == []


def test_what_tar_itself_packs(place: Path) -> None:
    source = place / "source"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "deep" / "er" / "file").write_bytes(os.urandom(100_000))
    (source / "link").symlink_to("deep/er/file")
    with tarfile.open(place / "bundle", "w:gz") as tar:
        tar.add(source, ".")
    unpack(place / "bundle", place / "out")
    assert (place / "out" / "link").read_bytes() == (source / "deep" / "er" / "file").read_bytes()


# what is wrong -> the entries, and what the message says
ATTACKS: dict[str, tuple[tuple[Header, ...], str]] = {
    "absolute path": ((entry("/etc/cron.d/x"),), "absolute path '/etc/cron.d/x'"),
    "two slashes": ((entry("//etc/x"),), "absolute path"),
    "parent": ((entry("../secret", b"owned"),), "leads out"),
    "parent inside": ((entry("a/../../secret", b"owned"),), "leads out"),
    "parent that stays": ((entry("a/../b"),), "leads out"),
    "parent folder": ((folder(".."),), "leads out"),
    "file with no name": ((entry("./"), entry("."), entry("")), "names no file"),
    "symlink to absolute": ((symlink("a", "/etc/passwd"),), "outside of its folder"),
    "symlink out": ((symlink("a", "../secret"),), "outside of its folder"),
    "symlink out from deep": ((symlink("a/b/c", "../../../secret"),), "outside of its folder"),
    "symlink to nothing": ((symlink("a", ""),), "outside of its folder"),
    "symlink by a detour": ((symlink("a", "b/../../secret"), folder("b")), "outside of its folder"),
    "symlink by another": (
        (folder("d"), symlink("d/here", ".."), symlink("x", "d/here/../secret")),
        "outside of its folder",
    ),
    "symlinks that add up": (
        (symlink("a", "."), symlink("b", "a/a/.."), entry("c")),
        "outside of its folder",
    ),
    "symlinks in a circle": ((symlink("a", "b"), symlink("b", "a")), "in circles"),
    "file through a symlink": ((symlink("a", "."), entry("a/b", b"x")), "which is no folder"),
    "file through a later symlink": ((entry("a/b", b"x"), symlink("a", "..")), "twice"),
    "symlink instead of a file": ((entry("a", b"x"), symlink("a", "b")), "holds 'a' twice"),
    "file instead of a symlink": ((symlink("a", "b"), entry("a", b"x")), "holds 'a' twice"),
    "folder instead of a symlink": ((symlink("a", "b"), folder("a")), "holds 'a' twice"),
    "hardlink out": ((hardlink("a", "../secret"),), "leads out"),
    "hardlink to absolute": ((hardlink("a", "/etc/shadow"),), "absolute path"),
    "hardlink to later": ((hardlink("a", "b"), entry("b")), "no file before it"),
    "hardlink to itself": ((hardlink("a", "a"),), "no file before it"),
    "hardlink to a folder": ((folder("b"), hardlink("a", "b")), "no file before it"),
    "hardlink to a symlink": ((symlink("b", "c"), hardlink("a", "b")), "no file before it"),
    "hardlink through a symlink": ((entry("c/f"), symlink("b", "c"), hardlink("a", "b/f")), "no file before it"),
    "the same name twice": ((entry("a"), entry("a")), "holds 'a' twice"),
    "the same name written otherwise": ((entry("a/b"), entry("./a//b")), "twice"),
    "file as a folder": ((entry("a"), entry("a/b")), "which is no folder"),
    "folder as a file": ((entry("a/b"), entry("a")), "holds 'a' twice"),
    "character device": ((entry("null", type=tarfile.CHRTYPE),), "a character device"),
    "block device": ((entry("sda", type=tarfile.BLKTYPE),), "a block device"),
    "named pipe": ((entry("pipe", type=tarfile.FIFOTYPE),), "a named pipe"),
    "unknown type": ((entry("odd", type=b"Q"),), "unknown type"),
    "contiguous file": ((entry("odd", type=tarfile.CONTTYPE, mode=0o4755),), "setuid"),
    "setuid": ((entry("su", mode=0o4755),), "setuid"),
    "setgid": ((entry("sg", mode=0o2755),), "setuid or setgid"),
    "hardlink made setuid": ((entry("a"), entry("b", type=tarfile.LNKTYPE, link="a", mode=0o4755)), "setuid"),
    "not UTF-8": ((entry("caf\udce9"),), "not UTF-8"),
    "link not UTF-8": ((symlink("a", "caf\udce9"),), "not UTF-8"),
    "newline in a name": ((entry("a\nb"),), "control characters"),
    "escape code in a name": ((entry("a\x1b[2Jb"),), "control characters"),
    "part too long": ((entry("a" * 256),), "too long or too deep"),
    "part too long in bytes": ((entry("é" * 128),), "too long or too deep"),
    "path too long": ((entry("/".join(["a" * 200] * 11)),), "too long or too deep"),
    "too deep": ((entry("/".join("a" * 65)),), "too long or too deep"),
    "too many files": (tuple(entry(f"f{number}") for number in range(51)), "more than 50"),
    "too many folders on the way": ((entry("/".join("a" * 51)),), "more than 50"),
    "too many bytes": ((entry("a", random.Random(1).randbytes(21 * 2**20)),), "more than the 20 MiB"),
}


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
def test_attacks(place: Path, name: str, format: int) -> None:
    entries, message = ATTACKS[name]
    for info, _ in entries:  # tarfile encodes surrogates of names back into the bytes they stood for
        info.name = info.name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    data = make_tar_raw(*entries) if "not UTF-8" in name else make_tar(*entries, format=format)
    assert message in refusal_of(place, data)


def make_tar_raw(*entries: Header) -> bytes:
    """Write names as the bytes they stand for, as GNU tar does with names in other encodings."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


def test_a_symlink_is_never_followed_by_writing(place: Path) -> None:
    """The old trick: a link to a folder outside, then a file through it. The link alone is refused, too."""
    trick = make_tar(symlink("d", str(place.parent)), entry("d/secret", b"owned"))
    assert "outside of its folder" in refusal_of(place, trick)


def test_a_bomb_of_zeros(place: Path) -> None:
    bomb = gzip.compress(make_tar(entry("zeros", bytes(15 * 2**20))))
    assert len(bomb) < 20_000
    assert "packed more than 100 times" in refusal_of(place, bomb)
    assert refusal_of(place, gzip.compress(make_tar(entry("zeros", bytes(30 * 2**20)))), SMALL)


def test_a_short_run_of_zeros_is_no_bomb(place: Path) -> None:
    bundle = write(place, gzip.compress(make_tar(entry("zeros", bytes(5 * 2**20)))))
    assert check(bundle, SMALL) == Contents(1, 5 * 2**20)


def test_a_bomb_behind_the_end(place: Path) -> None:
    data = gzip.compress(make_tar(entry("a")) + bytes(15 * 2**20))
    assert "packed more than" in refusal_of(place, data)


def test_something_behind_the_end(place: Path) -> None:
    assert "goes on after its end" in refusal_of(place, make_tar(entry("a")) + make_tar(entry("b")))


def test_a_header_that_wants_all_memory(place: Path) -> None:
    """tarfile reads a pax header into memory however long it says it is."""
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 2**33
    assert "header of more than 64" in refusal_of(place, info.tobuf(tarfile.GNU_FORMAT) + bytes(4096))


def test_headers_without_end(place: Path) -> None:
    """tarfile recurses for each header that announces another."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 10
    chain = (info.tobuf(tarfile.GNU_FORMAT) + b"a" * 512) * 5000
    assert "header of more than 64" in refusal_of(place, chain)


def test_a_negative_size_ends(place: Path) -> None:
    """CVE-2025-8194: tarfile seeks backwards and meets the same header again."""
    for size in (-512, -1024, -(2**40)):
        info = tarfile.TarInfo("loop")
        raw = bytearray(info.tobuf(tarfile.GNU_FORMAT))
        raw[124:136] = b"\xff" + struct.pack(">q", size).rjust(11, b"\xff")
        raw[148:156] = b" " * 8
        raw[148:156] = f"{sum(raw[:512]):06o}\0 ".encode()
        assert refusal_of(place, bytes(raw) + bytes(1024))


def test_sparse_files(place: Path) -> None:
    info, _ = entry("holes", type=tarfile.GNUTYPE_SPARSE)
    assert "sparse" in refusal_of(place, info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    modern, data = entry("GNUSparseFile.0/holes", b"1\n0\n1\n".ljust(512, b"\0") + b"x")
    modern.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "1099511627776"}
    assert "sparse" in refusal_of(place, make_tar((modern, data)))


def test_tangled_symlinks_end_soon(place: Path) -> None:
    """Each link doubles the steps of the one before; following the last one would take an hour."""
    links = [symlink("l0", ".")] + [symlink(f"l{n}", f"l{n - 1}/l{n - 1}") for n in range(1, 30)]
    started = time.monotonic()
    refusal_of(place, make_tar(*links))
    assert time.monotonic() - started < 10


def test_following_links_has_a_budget(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_tree, "_MAX_STEPS", 1000)
    assert "too tangled" in refusal_of(place, make_tar(*(symlink(f"l{n}", "a/" * 200) for n in range(6))))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_any_truncation_is_noticed(place: Path, pack: Callable[[bytes], bytes]) -> None:
    data = pack(make_tar(*GOOD))
    end = len(data) if data[:2] == b"\x1f\x8b" else data.rindex(b"long") + 512  # padding may be missing
    lengths = {*range(0, end, max(1, end // 60)), *range(end - 12, end), 512, 1024}
    for length in sorted(length for length in lengths if length < end):
        refusal_of(place, data[:length])


@pytest.mark.parametrize("data", [b"", b"\0", b"PK\x03\x04 zip", b"\x1f\x8b", b"x" * 2048, bytes(512) + b"x" * 512])
def test_what_is_no_archive(place: Path, data: bytes) -> None:
    refusal_of(place, data)


def test_a_flipped_bit_in_a_header_or_in_gzip_is_noticed(place: Path) -> None:
    plain = make_tar(entry("a", b"x" * 600), entry("b"))
    packed = gzip.compress(plain)
    for data, at in ((plain, 3), (plain, 512 + 1024 + 5), (packed, len(packed) // 2), (packed, len(packed) - 6)):
        broken = bytearray(data)
        broken[at] ^= 4
        refusal_of(place, bytes(broken))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=4))
def test_whatever_the_bytes_check_and_unpack_agree(place: Path, flips: list[tuple[int, int]]) -> None:
    data = bytearray(make_tar(*GOOD[1:8]))
    for at, mask in flips:
        data[at % len(data)] ^= mask
    bundle = write(place, bytes(data))
    try:
        contents = check(bundle, SMALL)
    except Invalid:
        refusal_of(place, bytes(data))
    else:
        assert unpack(bundle, place / "out", SMALL) == contents
        remove_tree(place / "out")


def remove_tree(root: Path) -> None:
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    root.rmdir()


def test_a_missing_bundle(place: Path) -> None:
    with pytest.raises(NotFound) as raised:
        check(place / "nothing")
    assert raised.value.code == "bundle-missing"


def test_the_target_may_be_an_empty_folder_but_no_other(place: Path) -> None:
    bundle, out = write(place, make_tar(entry("a", b"new"))), place / "out"
    out.mkdir()
    unpack(bundle, out)
    with pytest.raises(SeraiError) as raised:
        unpack(bundle, out)
    assert raised.value.code == "unpack-failed"
    assert sorted(path.name for path in place.iterdir()) == ["bundle", "out"]


def test_a_full_disk_leaves_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_nothing(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archive_module, "_copy", write_nothing)
    bundle = write(place, make_tar(entry("a", b"new")))
    with pytest.raises(SeraiError) as raised:
        unpack(bundle, place / "out")
    assert raised.value.code == "disk-full" and "No space left" in raised.value.message
    assert [path.name for path in place.iterdir()] == ["bundle"]


def test_a_large_file_takes_little_memory(place: Path) -> None:
    import tracemalloc

    bundle = write(place, make_tar(entry("a", os.urandom(2**20) * 16)))
    tracemalloc.start()
    unpack(bundle, place / "out", SMALL)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * 2**20
