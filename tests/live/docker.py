"""A Docker daemon of the tests' own, and an image with a Python made of this machine's files, without a registry."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path

from tests.live.leftovers import MARK
from tests.waiting import eventually

IMAGE = "serai-live-python:1"
_UNWANTED = (
    "test",
    "tests",
    "idlelib",
    "lib2to3",
    "tkinter",
    "turtledemo",
    "ensurepip",
    "__pycache__",
    "site-packages",
    "dist-packages",
)


class Unavailable(Exception):
    """Docker cannot run here; the text says why in one line."""


class Dockerd:
    """A daemon in a folder of its own, without a bridge: its containers use the machine's network."""

    def __init__(self, folder: Path) -> None:
        for program in ("dockerd", "docker"):
            if shutil.which(program) is None:
                raise Unavailable(f"docker: no {program} on PATH")
        self.folder = folder
        self.url = f"unix://{folder / 'docker.sock'}"
        self._log = folder / "dockerd.log"
        self._process = self._start()
        try:
            eventually(self._answers, 30, 0.05)
        except AssertionError as error:
            raise Unavailable(f"docker: the daemon does not answer: {self._last_line()}") from error

    def run(self, *arguments: str, stdin: bytes = b"", timeout_s: float = 60) -> str:
        """Run the `docker` command against the daemon and return what it says."""
        return run_docker(self.url, *arguments, stdin=stdin, timeout_s=timeout_s)

    def import_image(self, root: bytes, name: str = IMAGE) -> str:
        """Make an image of a tar archive of its root, and return its name."""
        self.run("import", "-", name, stdin=root)
        return name

    def close(self) -> None:
        """End all containers, and the daemon in order, which unmounts what it mounted."""
        if self._process.poll() is None:
            remove_containers(self.url)
            self._process.terminate()
            self._process.wait(20)

    def _start(self) -> subprocess.Popen[bytes]:
        paths = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
        places = [part for name, path in paths.items() for part in (f"--{name}", str(self.folder / path))]
        off = ("--bridge", "none", "--iptables=false", "--ip6tables=false")
        with self._log.open("ab") as log:
            return subprocess.Popen(
                ["dockerd", "--host", self.url, *places, *off],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                env=os.environ | {MARK: str(self.folder)},
            )  # fmt: skip

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise Unavailable(f"docker: the daemon ends at once: {self._last_line()}")
        try:
            return bool(self.run("version", "--format", "{{.Server.Version}}"))
        except Unavailable:
            return False

    def _last_line(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it says nothing"


def run_docker(url: str, *arguments: str, stdin: bytes = b"", timeout_s: float = 60) -> str:
    """Run the `docker` command against a daemon and return what it says; raise Unavailable if it fails."""
    command = ["docker", "--host", url, *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout_s, check=False)
    if done.returncode:
        raise Unavailable(f"docker {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode().strip()


def remove_containers(url: str, label: str = "") -> None:
    """Remove a daemon's containers: all of them, or those with a label."""
    chosen = ("--filter", f"label={label}") if label else ()
    ids = run_docker(url, "ps", "-aq", *chosen).split()
    if ids:
        run_docker(url, "rm", "-f", *ids)


def make_python_root() -> bytes:
    """Return a tar archive with /bin/sh, /usr/bin/python3 and its standard library, and the libraries they need."""
    python = Path(sys.executable).resolve()
    library = Path(sysconfig.get_path("stdlib"))
    modules = sorted(library.glob("lib-dynload/*.so"))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(python, "usr/bin/python3")
        tar.add(Path("/bin/sh").resolve(), "bin/sh")
        tar.add(library, str(library).lstrip("/"), filter=_without_unwanted)
        for shared in sorted(shared_libraries([python, Path("/bin/sh").resolve(), *modules])):
            tar.add(shared.resolve(), str(shared).lstrip("/"))
        _add_links(tar, python)
    return buffer.getvalue()


def _add_links(tar: tarfile.TarFile, python: Path) -> None:
    """Let the interpreter be found by its own name, too, from which it derives where its library is."""
    own = str(python).lstrip("/")
    if own != "usr/bin/python3":
        tar.add(python, own)
    link = tarfile.TarInfo("usr/local/bin/python3")
    link.type, link.linkname = tarfile.SYMTYPE, str(python)
    tar.addfile(link)


def _without_unwanted(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if Path(info.name).name in _UNWANTED or info.name.endswith((".a", ".pyc")) else info


def shared_libraries(files: list[Path]) -> set[Path]:
    """Return the paths that the loader would open for these files, and the loader itself."""
    return {path for file in files for path in _needed(file)}


def _needed(file: Path) -> Iterator[Path]:
    said = subprocess.run(["ldd", str(file)], capture_output=True, text=True, check=False).stdout
    for match in re.finditer(r"(?:^\s*|=> )(/.+) \(0x", said, re.MULTILINE):
        yield Path(match[1])
