"""The service of device plugins: which GPUs there are and how they are, what a task gets, what they do.

Nomad's traps decide its shape. Fingerprint neither raises nor returns, and sends a first message even without GPUs:
otherwise the node loses all of them until the agent's restart. Reserve always answers with `container_res`: the agent
crashes without. What cannot be looked at stays in the list, unhealthy.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import grpc

from serai.domain.errors import SeraiError

from . import messages
from .groups import make_fingerprint, make_statistics
from .inventory import Gpu, Inventory, InventoryError
from .wire import Service, stream, unary

log = logging.getLogger(__name__)
LEAST_PERIOD_S = 0.1


class DeviceService:
    """Answers for the inventory it was given last; for none, there are no GPUs."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped
        self._inventory: Inventory | None = None
        self._period_s = 1.0
        self._seen: tuple[Gpu, ...] = ()

    def methods(self) -> Service:
        return Service(
            "hashicorp.nomad.plugins.device.DevicePlugin",
            {
                "Fingerprint": stream(self.fingerprint, "Empty"),
                "Reserve": unary(self.reserve, "ReserveRequest"),
                "Stats": stream(self.stats, "StatsRequest"),
            },
        )

    def take(self, inventory: Inventory, period_s: float) -> None:
        """Answer for this inventory from now on, looking every `period_s` seconds."""
        before, self._inventory = self._inventory, inventory
        self._period_s, self._seen = period_s, ()
        if before:
            before.close()

    def close(self) -> None:
        if self._inventory:
            self._inventory.close()

    def fingerprint(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """Send all GPUs at once, and again whenever something about them has changed."""
        sent: Any = None
        while self._goes_on(context):
            now = make_fingerprint(self._look())
            if now != sent:
                sent = now
                yield now
            self._stopped.wait(self._period_s)

    def reserve(self, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            if self._inventory is None:
                raise InventoryError("the plugin has not been configured yet")
            reservation = self._inventory.reserve(tuple(request.device_ids))
        except SeraiError as error:
            context.abort(grpc.StatusCode.NOT_FOUND, error.message)
        devices = [
            messages.DeviceSpec(task_path=file, host_path=file, permissions="rwm") for file in reservation.device_files
        ]
        return messages.ReserveResponse(
            container_res=messages.ContainerReservation(envs=dict(reservation.env), devices=devices)
        )

    def stats(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """Send figures of all GPUs each interval; what could not be measured is left out of that round."""
        interval = request.collection_interval
        period_s = max(LEAST_PERIOD_S, (interval.seconds + interval.nanos / 1e9) or 1.0)
        while self._goes_on(context):
            if statistics := self._measure():
                yield statistics
            self._stopped.wait(period_s)

    def _goes_on(self, context: grpc.ServicerContext) -> bool:
        return context.is_active() and not self._stopped.is_set()

    def _look(self) -> tuple[Gpu, ...]:
        """Return the GPUs; where they cannot be looked at, those seen last as unhealthy. Never raise."""
        if self._inventory is None:
            return ()
        try:
            self._seen = self._inventory.gpus()
        except Exception as error:  # a raise would take all GPUs from the node until the agent's restart
            log.warning("the GPUs cannot be looked at: %s", error, exc_info=not isinstance(error, SeraiError))
            return tuple(replace(gpu, is_healthy=False, description=str(error)) for gpu in self._seen)
        return self._seen

    def _measure(self) -> Any:
        if self._inventory is None:
            return None
        try:
            return make_statistics(self._seen, self._inventory.figures())
        except Exception as error:  # the next round may go better
            log.warning("the GPUs cannot be measured: %s", error, exc_info=not isinstance(error, SeraiError))
            return None
