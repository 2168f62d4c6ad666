"""Every error Serai raises on purpose; the HTTP status is known at the edges only (`serai.web.problems`).

SeraiError
|-- Invalid              a value is wrong; carries the field (and line) it stands in
|-- NotFound             no such thing
|-- Conflict             the thing's state does not allow it
|-- Unauthenticated      no valid credentials
|-- Forbidden            valid credentials without the right
|-- NotSupported         this plugin or installation cannot do it
|-- CapacityExceeded     full for now; carries when to come back
|-- WakeTimeout          held for a replica that did not come in time
|-- SchedulerError       the scheduler refused or failed
|   `-- SchedulerUnavailable   the scheduler cannot be reached
|-- ServerUnavailable    (clients) the server cannot be reached
`-- PluginError          a plugin cannot be loaded or broke its contract
"""

from __future__ import annotations


class SeraiError(Exception):
    """An error for people: `message` says what was wrong, with the value, and what to do; `code` is stable."""

    default_code = "error"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code


class Invalid(SeraiError):
    """A value is wrong. `field` is its dotted path (`resources.gpu.count`), `line` where it stands, from 1."""

    default_code = "invalid"

    def __init__(self, message: str, field: str = "", code: str | None = None, line: int | None = None) -> None:
        super().__init__(message, code)
        self.field = field
        self.line = line


class NotFound(SeraiError):
    default_code = "not-found"


class Conflict(SeraiError):
    default_code = "conflict"


class Unauthenticated(SeraiError):
    default_code = "unauthenticated"


class Forbidden(SeraiError):
    default_code = "forbidden"


class NotSupported(SeraiError):
    default_code = "not-supported"


class CapacityExceeded(SeraiError):
    """Full for now; trying again after `retry_after_s` seconds is reasonable."""

    default_code = "capacity-exceeded"

    def __init__(self, message: str, code: str | None = None, retry_after_s: float = 2.0) -> None:
        super().__init__(message, code)
        self.retry_after_s = retry_after_s


class TooManyTries(SeraiError):
    """Refused whatever was tried; another try is looked at after `retry_after_s` seconds."""

    default_code = "too-many-tries"

    def __init__(self, message: str, code: str | None = None, retry_after_s: float = 60.0) -> None:
        super().__init__(message, code)
        self.retry_after_s = retry_after_s


class WakeTimeout(SeraiError):
    default_code = "wake-timeout"


class SchedulerError(SeraiError):
    default_code = "scheduler-error"


class SchedulerUnavailable(SchedulerError):
    default_code = "scheduler-unavailable"


class ServerUnavailable(SeraiError):
    default_code = "server-unavailable"


class PluginError(SeraiError):
    default_code = "plugin-error"
