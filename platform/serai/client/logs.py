"""Follow the log of a version: server-sent events, taken up again behind the last line when the connection breaks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import cast

from serai.domain.errors import ServerUnavailable

from .answers import LogLineAnswer
from .backoff import make_pauses
from .client import ALL_LINES, Client, LogQuery, version_path
from .events import read_events
from .transport import Call

PATIENCE_S = 120.0
SILENCE_S = 60.0  # the server sends a comment more often than this; a longer silence is a dead connection
END = "end"


def follow_logs(
    client: Client, name: str, number: int, wanted: LogQuery = ALL_LINES, patience_s: float = PATIENCE_S
) -> Iterator[LogLineAnswer]:
    """Yield kept lines and then new ones as they come, each once, until the version has ended and said all.

    ServerUnavailable once the server has been away for `patience_s` seconds.
    """
    params = {**wanted.params(), "limit": None, "follow": "1"}
    last_id = ""
    pauses = make_pauses(patience_s)
    while True:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        call = Call(
            "GET", f"{version_path(name, number)}/logs", params=params, headers=headers, read_timeout_s=SILENCE_S
        )
        try:
            with client.transport.stream(call) as response:
                for event in read_events(response.iter_bytes()):
                    pauses = make_pauses(patience_s)
                    if event.id != last_id:  # behind it the server goes on, so that `tail` has had its say
                        last_id, params["tail"] = event.id, None
                    if event.kind == END:
                        return
                    yield cast(LogLineAnswer, json.loads(event.data))
            failure: ServerUnavailable | None = None  # a stream that just stops was cut by a restart
        except ServerUnavailable as error:
            failure = error
        pause_s = next(pauses, None)
        if pause_s is None:
            raise failure or ServerUnavailable(f"{client.url} keeps cutting the log of {name!r} off; try again")
        time.sleep(pause_s)
