"""The ACL token, from the settings or from a file that may change."""

from __future__ import annotations

import threading
from pathlib import Path

from serai.domain.errors import SchedulerUnavailable
from serai_nomad.settings import NomadSettings


class TokenSource:
    """Gives the token; a file is read again when it was written or replaced. Safe from any thread."""

    def __init__(self, settings: NomadSettings) -> None:
        self._token = settings.token
        self._path = Path(settings.token_file) if settings.token_file and not settings.token else None
        self._stamp: tuple[int, int, int] | None = None
        self._lock = threading.Lock()

    def read(self) -> str:
        """Return the token, "" for none. Raise SchedulerUnavailable if its file cannot be read."""
        if self._path is None:
            return self._token
        with self._lock:
            return self._read_file(self._path)

    def _read_file(self, path: Path) -> str:
        try:
            state = path.stat()
            stamp = (state.st_mtime_ns, state.st_ino, state.st_size)
            if stamp != self._stamp:
                self._token, self._stamp = path.read_text(encoding="utf-8").strip(), stamp
        except (OSError, UnicodeError) as error:
            raise SchedulerUnavailable(
                f"plugin.nomad.token_file {str(path)!r} cannot be read ({error}); "
                "make it readable to the server, or set plugin.nomad.token"
            ) from error
        return self._token
