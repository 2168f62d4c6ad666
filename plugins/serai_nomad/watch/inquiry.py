"""Asks one replica how it is: its port by a probe of our own, or Nomad for the result of its check."""

from __future__ import annotations

from serai_nomad.agent.api import NomadApi
from serai_nomad.facts import Json

from .check_board import CheckBoard
from .ledger import Ledger
from .places import Places
from .probe import probe_tcp


class Inquiry:
    def __init__(self, api: NomadApi, board: CheckBoard, ledger: Ledger, places: Places) -> None:
        self._api = api
        self._board = board
        self._ledger = ledger
        self._places = places

    def ask(self, allocation: str) -> Json | None:
        """Return check results in Nomad's form; None if the replica's node does not answer. Raise SchedulerError."""
        job = self._ledger.get(self._board.workload_of(allocation) or "")
        address = self._places.get(allocation).address
        if job is None or job.probe_s is None or not address:
            return self._api.allocation_checks(allocation)
        return probe_tcp(address, job.probe_s)
