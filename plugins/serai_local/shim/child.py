"""Starting processes: each leads a session of its own and is on record before it does anything."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from serai_local.layout import replace_file

from .processes import start_time

CANNOT_EXECUTE = 126


class Output:
    """The pipes of a process: what it writes to and what is read here."""

    __slots__ = ("err_in", "err_out", "out_in", "out_out")

    def __init__(self) -> None:
        self.out_in, self.out_out = os.pipe()
        self.err_in, self.err_out = os.pipe()

    def close_writers(self) -> None:
        os.close(self.out_out)
        os.close(self.err_out)


def execute(
    argv: Sequence[str], env: Mapping[str, str], cwd: Path, output: Output, pid_file: Path, keep: Sequence[int] = ()
) -> int:
    """Start `argv` and return its pid once it runs. Raise the OSError of exec, and then nothing is left running.

    `keep` are descriptors the program inherits beside its three.
    """
    error_in, error_out = os.pipe()

    def run() -> None:
        os.chdir(cwd)
        for fd in keep:
            os.set_inheritable(fd, True)
        try:
            os.execvpe(argv[0], list(argv), dict(env))  # noqa: S606 - running what the user deployed is the point
        except OSError as error:
            os.write(error_out, str(error.errno).encode())
            os._exit(CANNOT_EXECUTE)

    pid = fork(run, output, pid_file)
    os.close(error_out)
    with os.fdopen(error_in, "rb") as reader:
        code = reader.read()
    if code:
        os.waitpid(pid, 0)
        raise OSError(int(code), os.strerror(int(code)), argv[0])
    return pid


def fork(call: Callable[[], None], output: Output, pid_file: Path) -> int:
    """Run `call` in a forked process and return its pid. It exits 0, or 1 with the traceback in its output."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        _run_child(call, output, pid_file)
    return pid


def _run_child(call: Callable[[], None], output: Output, pid_file: Path) -> None:
    code = 1
    try:
        os.setsid()
        _reset_signals()
        replace_file(pid_file, f"{os.getpid()} {start_time(os.getpid())}")
        _connect(output)
        call()
        code = 0
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 1
    except BaseException:
        import traceback

        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def _reset_signals() -> None:
    """Give signals their meaning back: the shim handles some, Python ignores others, and exec keeps what is ignored."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)


def _connect(output: Output) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output.out_out, 1)
    os.dup2(output.err_out, 2)
