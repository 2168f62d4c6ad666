"""What stands in paths and queries."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from serai.domain.observation import Stream
from serai.domain.window import Clock
from serai.store.metrics_comparison import Align

from .kinds import MAX_NUMBER, Digest, Flag, Name, Number, Shape

# Kept simple on purpose: these stand in addresses.
Wait = Annotated[str, StringConstraints(pattern=r"^([0-9]{1,4}s|[0-9]{1,6}ms|[0-9]m)$")]
# RFC 3339, or how long ago.
When = Annotated[
    str,
    StringConstraints(
        # Only days that there are: what a document allows has to be answered.
        pattern=r"^([0-9]{1,5}(ms|s|m)|[0-9]{1,4}h|[0-9]{1,3}d"
        r"|([0-9]{4}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
        r"|[0-9]{2}(0[48]|[2468][048]|[13579][26])-02-29)"
        r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9]))$"
    ),
]
ReplicaId = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")]
Cursor = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,8000}$")]


class NoQuery(Shape):
    """No parameters."""


class NamePath(Shape):
    name: Name = Field(description="The deployment.", examples=["digits"])


class VersionPath(NamePath):
    number: Number = Field(description="The version.", examples=[1])


class DigestPath(Shape):
    digest: Digest = Field(description="SHA-256 of the file, in hexadecimal.", examples=["sha256:" + 64 * "0"])


class TokenPath(Shape):
    id: Annotated[int, Field(ge=1, le=MAX_NUMBER)] = Field(description="The token.")


class WaitQuery(Shape):
    """A blocking read: answered as soon as the index is another than `index`, or after `wait`."""

    index: Annotated[int, Field(ge=0, le=2**53)] | None = Field(None, description="X-Serai-Index of an earlier answer.")
    wait: Wait | None = Field(None, description="How long to wait for a change, at most 5m.", examples=["30s"])


class PageQuery(WaitQuery):
    """A part of a list that is ordered by name."""

    limit: Annotated[int, Field(ge=1, le=1000)] = Field(1000, description="How many at most.")
    after: Name | None = Field(None, description="Only what comes after this name; see the header Link.")


class RoutesQuery(WaitQuery):
    """A gateway's read: who it is, and which leaving replicas it still carries requests to."""

    gateway: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")] | None = Field(
        None, description="The gateway's own name; its replicas are drained only if it gives one."
    )
    busy: Annotated[str, StringConstraints(pattern=r"^[!-~]{0,60000}$")] | None = Field(
        None, description="Replicas with requests in flight that left the table, separated by commas."
    )


class GatewayQuery(Shape):
    gateway: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")] | None = Field(
        None, description="The gateway that says so."
    )


class DeployQuery(Shape):
    dry_run: Flag | None = Field(None, description="1: change nothing, and tell whether it would fit now.")


class EventsQuery(WaitQuery):
    actor: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")] | None = Field(
        None, description="Only what this login did."
    )
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(100, description="How many at most.")
    after: Annotated[int, Field(ge=0, le=2**53)] | None = Field(None, description="Only events above this id.")
    follow: Flag | None = Field(None, description="1: an endless text/event-stream, oldest first.")


class CapacityQuery(Shape):
    pool: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,128}$")] | None = Field(
        None, description="Only machines of this node pool."
    )


class LogsQuery(Shape):
    replica: ReplicaId | None = Field(None, description="Only this replica.")
    stream: Stream | None = Field(None, description="Only this stream.")
    since: When | None = Field(None, description="Only lines of the last 5m, 1h, ... or from this instant on.")
    until: When | None = Field(None, description="Only lines before this instant, or before so long ago.")
    grep: Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=1000)] | None = Field(
        None, description="Only lines that contain this text, in capitals or not."
    )
    tail: Annotated[int, Field(ge=0, le=10_000)] | None = Field(None, description="Only the last so many lines.")
    limit: Annotated[int, Field(ge=1, le=10_000)] = Field(1000, description="How many lines at most in an answer.")
    after: Cursor | None = Field(None, description="Only lines behind this cursor.")
    follow: Flag | None = Field(None, description="1: a text/event-stream that goes on with new lines.")


Interval = Literal[
    "1m", "5m", "15m", "30m", "1h", "6h", "1d", "60", "300", "900", "1800", "3600", "21600", "86400",
]  # fmt: skip


class RequestsQuery(Shape):
    from_: When | None = Field(None, alias="from", description="From when: an instant, or how long ago. 1h if absent.")
    to: When | None = Field(None, description="Until when, not included. Now if absent.")
    interval: Interval = Field("1m", description="The length of a bucket.")
    version: Number | None = Field(None, description="Only requests that reached this version.")
    replica: ReplicaId | None = Field(None, description="Only requests that reached this replica.")
    status: Literal["1xx", "2xx", "3xx", "4xx", "5xx"] | None = Field(None, description="Only answers of this class.")


class CompareQuery(Shape):
    """Requests that reached no version are in neither of the two."""

    versions: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,8},[1-9][0-9]{0,8}$")] = Field(
        description="Two versions, the later one last.", examples=["1,2"]
    )
    clock: Clock = Field(Clock.TOTAL, description="What is timed.")
    from_: When | None = Field(None, alias="from", description="From when: an instant, or how long ago. 1h if absent.")
    to: When | None = Field(None, description="Until when, not included. Now if absent.")
    interval: Interval = Field("1m", description="The length of a bucket.")
    align: Align = Field(
        Align.CLOCK,
        description="What lies on top of each other: the same time of day (clock), or the same time since each"
        " version's first request (start), for as long as the range is.",
    )


SystemInterval = Literal[
    "10s", "1m", "5m", "15m", "30m", "1h", "6h", "1d", "10", "60", "300", "900", "1800", "3600", "21600", "86400",
]  # fmt: skip


class SystemQuery(Shape):
    from_: When | None = Field(None, alias="from", description="From when: an instant, or how long ago. 1h if absent.")
    to: When | None = Field(None, description="Until when, not included. Now if absent.")
    interval: SystemInterval = Field("1m", description="The length over which samples are averaged.")
    version: Number | None = Field(None, description="Only replicas of this version.")
    replica: ReplicaId | None = Field(None, description="Only this replica.")
