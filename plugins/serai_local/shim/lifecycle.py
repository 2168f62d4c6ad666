"""The life of a replica, told in order: fetch, install, start, watch, start again, and the end when it is asked for."""

from __future__ import annotations

from pathlib import Path

from serai_local.layout import ReplicaDir
from serai_local.ports import is_free

from . import fetch
from .environment import Environments
from .failure import Failure, describe_exit
from .journal import Journal
from .loop import Loop, Stopped
from .model import Model, end_descendants, make_command
from .report import Report
from .state import State
from .task import Task
from .tools import Tools
from .watch import Watch

_MARKER_S = 1.0


class Lifecycle:
    """Runs one replica from its record to its end. Attempts go on for ever: giving up is for the core to decide."""

    def __init__(self, place: ReplicaDir, task: Task, loop: Loop, journal: Journal, state: State) -> None:
        self._place, self._task, self._loop, self._journal, self._state = place, task, loop, journal, state
        self._tools = Tools(loop, journal, place.pid)
        self._environments = Environments(loop, journal, self._tools, task)
        self._environment: Path | None = None
        self._report = Report(state, journal, task.attempts)
        self._is_fetched = False
        self._model: Model | None = None
        self._streak = self._starts = 0
        loop.add_duty(self._look_for_marker, _MARKER_S)
        loop.add_duty(state.write, 1.0)

    def run(self) -> None:
        """Live until asked to stop."""
        try:
            while True:
                try:
                    failure = self._attempt()
                except Failure as raised:
                    failure = raised
                self._back_off(failure)
        except Stopped:
            self._end()

    def _look_for_marker(self) -> None:
        if self._place.stop.exists() or not self._place.lock.exists():  # the whole folder may have been removed
            self._loop.stop()

    def _attempt(self) -> Failure:
        """Run the model once and return, or raise, why it ended or could not begin."""
        if not self._is_fetched:
            self._fetch()
        self._install()
        if not is_free(self._task.port):
            raise Failure("port-taken", f"Port {self._task.port} is used by another program.", is_crash=False)
        self._model = self._start()
        watch = Watch(self._loop, self._task, self._report, self._model)
        failure = watch.run()
        self._model = None
        if watch.ready_for_s > self._task.max_backoff_s:
            self._streak = 0
        return failure

    def _back_off(self, failure: Failure) -> None:
        end_descendants(self._loop)
        pause_s = min(self._task.max_backoff_s, self._task.backoff_s * 2.0 ** min(self._streak, 30))
        self._streak += 1
        self._report.fail(failure, pause_s)
        self._loop.until(lambda: False, pause_s)

    # on the way up

    def _fetch(self) -> None:
        work = self._place.work
        if work.exists():
            self._tools.call(lambda: fetch.remove_tree(work))
        if self._task.bundle:
            self._report.enter("fetching")
            code = self._tools.call(lambda: fetch.unpack_bundle(self._task.source_root, Path(self._task.bundle), work))
            if code:
                raise self._make_fetch_failure(code)
        else:
            work.mkdir()
        self._is_fetched = True

    def _make_fetch_failure(self, code: int) -> Failure:
        said = self._journal.tail[-1] if self._journal.tail else f"unpacking ended with exit code {code}"
        text = f"{said[:1].upper()}{said[1:]}."
        if code == fetch.DISK_FULL:
            return Failure("disk-full", text, is_crash=False)
        reason = "bundle-missing" if code == fetch.MISSING else "bundle-broken"
        return Failure(reason, text, fatal=True)

    def _install(self) -> None:
        place = self._environments.ensure(self._place.work, lambda text: self._report.enter("installing", text))
        self._environment = place
        self._state.change(environment=place.name if place else "")

    def _start(self) -> Model:
        argv = make_command(self._task.command, self._place.work)
        self._journal.remark(f"Starting {' '.join(argv)} on port {self._task.port}")
        self._journal.tail.clear()
        self._state.change(restarts=self._starts)
        self._starts += 1
        try:
            return Model(self._loop, self._journal, argv, self._make_env(), self._place.work, self._place.pid)
        except OSError as error:
            text = f"The command {argv[0]} cannot be executed: {error.strerror}."
            raise Failure("command-missing", text, fatal=True) from error

    def _make_env(self) -> dict[str, str]:
        env = dict(self._task.model_env)
        if self._environment:
            env["VIRTUAL_ENV"] = str(self._environment)
            env["PATH"] = f"{self._environment / 'bin'}:{env.get('PATH', '')}"
        return env

    # down

    def _end(self) -> None:
        self._report.be_stopping()
        exit_code = self._stop_model(self._model) if self._model else None
        end_descendants(self._loop)
        if self._place.work.exists():
            self._tools.call(lambda: fetch.remove_tree(self._place.work))
        self._place.env.unlink(missing_ok=True)
        self._report.be_ended(exit_code)

    def _stop_model(self, model: Model) -> int | None:
        self._journal.remark(f"Stopping: SIGTERM, and SIGKILL after {self._task.drain_s:g} s")
        if not model.terminate(self._task.drain_s):
            self._journal.remark(f"It did not end within drain_timeout ({self._task.drain_s:g} s) and is killed")
        model.end()
        if not model.has_exited:
            return None
        self._journal.remark(f"Stopped; the process {describe_exit(model.exit_code)}")
        return model.exit_code
