"""Virtual environments made of a requirements.txt, shared by all replicas with the same one."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from serai_local.layout import try_lock

from .failure import Failure
from .fetch import remove_tree
from .journal import Journal
from .loop import Loop
from .task import Task
from .tools import Tools

COMPLETE = ".serai-complete"
_LOCAL = ("-r", "-c", "-e", "--requirement", "--constraint", "--editable", ".", "/", "~", "file:")


class Environments:
    """Finds or makes the environment of a replica.

    One is built at its final place, as scripts in it name that place, under a lock that the installer inherits: the
    lock is free only when nobody installs any more. COMPLETE is made last; without it the folder is a leftover.
    """

    def __init__(self, loop: Loop, journal: Journal, tools: Tools, task: Task) -> None:
        self._loop, self._journal, self._tools, self._task = loop, journal, tools, task

    def ensure(self, work: Path, say: Callable[[str], None]) -> Path | None:
        """Return the environment for `work/requirements.txt`, None without one. `say` is told what is waited for.

        Raise Failure `install-failed` or `disk-full`.
        """
        requirements = work / "requirements.txt"
        if not requirements.is_file():
            return None
        place = self._task.environments / self._make_key(requirements.read_bytes())
        if is_complete(place):
            os.utime(place / COMPLETE)
            return place
        with self._lock(place, say) as lock:
            if not is_complete(place):
                say("The packages of requirements.txt are being installed.")
                self._build(place, work, lock)
        return place

    def _make_key(self, requirements: bytes) -> str:
        """Return what the environment depends on: text, interpreter, and the bundle where the text names files."""
        import hashlib  # 5 MB resident, for those who need it

        interpreter = f"{sys.version} {sys.platform} {os.uname().machine} {self._task.python}"
        parts = [requirements, interpreter.encode()]
        if names_files(requirements):
            parts.append(self._task.bundle_digest.encode())
        if b"-e" in requirements:  # such an environment points into the working copy
            parts.append(self._task.id.encode())
        return hashlib.sha256(b"\0".join(parts)).hexdigest()[:24]

    @contextlib.contextmanager
    def _lock(self, place: Path, say: Callable[[str], None]) -> Iterator[int]:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(place.with_name(f"{place.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not try_lock(fd):
                say("Another replica is installing the packages of the same requirements.txt.")
                self._loop.until(lambda: try_lock(fd), poll_s=0.2)
            yield fd
        finally:
            os.close(fd)

    def _build(self, place: Path, work: Path, lock: int) -> None:
        self._clear(place)
        try:
            for argv in self._make_steps(place):
                self._journal.remark(f"Running {' '.join(argv)}")
                self._run_step(argv, work, lock)
            (place / COMPLETE).touch()
        except BaseException:
            self._clear(place)
            raise

    def _clear(self, place: Path) -> None:
        if place.exists():
            self._tools.call(lambda: remove_tree(place))

    def _make_steps(self, place: Path) -> list[list[str]]:
        python = str(place / "bin" / "python")
        if self._task.uv:
            return [
                [self._task.uv, "venv", "--quiet", "--no-project", "--python", self._task.python, str(place)],
                [self._task.uv, "pip", "install", "--python", python, "--requirement", "requirements.txt"],
            ]
        install = ["install", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
        venv, requirements = [self._task.python, "-m", "venv", str(place)], ["--requirement", "requirements.txt"]
        if self._task.has_pip:  # spares each environment a pip of its own, which takes longer than most installs
            pip = [self._task.python, "-m", "pip", "--python", python]
            return [[*venv, "--without-pip"], [*pip, *install, *requirements]]
        return [venv, [python, "-m", "pip", *install, *requirements]]

    def _run_step(self, argv: list[str], work: Path, lock: int) -> None:
        try:
            code = self._tools.run(argv, self._task.tool_env, work, keep=(lock,))
        except OSError as error:
            raise Failure("install-failed", f"{argv[0]} cannot be run: {error.strerror}.") from error
        if code:
            raise Failure("install-failed", f"Installing requirements.txt failed with exit code {code}.", code)


def is_complete(place: Path) -> bool:
    """True if the environment was finished and its interpreter still exists."""
    return (place / COMPLETE).exists() and (place / "bin" / "python").exists()


def names_files(requirements: bytes) -> bool:
    """True if a line refers to files of the bundle, so that the text alone does not say what is installed."""
    lines = (line.strip() for line in requirements.decode("utf-8", "replace").splitlines())
    return any(line.startswith(_LOCAL) or "file:" in line or "@ ." in line for line in lines)
