"""The intake of spans of one app: what it knows of deployments, and where its figures go."""

from __future__ import annotations

import secrets
from collections.abc import Collection

from serai.reconcile.core import Core
from serai.telemetry.span_intake import SpanIntake


def make_span_intake(core: Core) -> SpanIntake:
    """Return an intake whose figures go the way of those of gateways, under a name of its own in each process."""

    def versions_of(deployment: str) -> Collection[int] | None:
        situation = core.cluster.situation(deployment)
        return None if situation is None else situation.versions.keys()

    gateway = f"otlp-{secrets.token_hex(8)}"
    return SpanIntake(core.take_windows, versions_of, lambda: core.clock().timestamp(), gateway)
