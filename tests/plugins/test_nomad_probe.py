"""Probing a port: what accepts, what refuses, what stays silent, and that nothing is left open."""

from __future__ import annotations

import socket

import pytest

from serai_nomad.watch.check_board import has_passed
from serai_nomad.watch.probe import is_silent, probe_tcp
from tests.ports import free_port


def test_a_port_that_accepts_is_left_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert has_passed(probe_tcp(f"127.0.0.1:{server.getsockname()[1]}", 1.0))
        connection, _ = server.accept()
        with connection:
            connection.settimeout(5)
            assert connection.recv(1) == b"", "a model that serves one connection at a time must get it back"


def test_a_refusal_names_the_address() -> None:
    port = free_port()
    outcome = probe_tcp(f"127.0.0.1:{port}", 1.0)
    assert outcome["serai"]["Output"] == f"nomad: dial tcp 127.0.0.1:{port}: connect: connection refused"
    assert not has_passed(outcome) and not is_silent(outcome)


def test_a_connection_to_itself_is_no_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a port is among those that connections come from, a connection can meet itself."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    made = socket.create_connection

    def from_there(address: tuple[str, int], timeout_s: float) -> socket.socket:
        return made(address, timeout_s, source_address=("127.0.0.1", port))

    monkeypatch.setattr(socket, "create_connection", from_there)
    assert not has_passed(probe_tcp(f"127.0.0.1:{port}", 1.0))


def test_silence_is_told_apart() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with socket.create_connection(server.getsockname()):  # fills the backlog, so that the next one is not answered
            outcome = probe_tcp(address, 0.2)
            again = probe_tcp(address, 0.2)
    assert is_silent(again) and not has_passed(again), (outcome, again)


@pytest.mark.parametrize("address", ["[::1]:1", "127.0.0.1:1"])
def test_addresses_of_both_families(address: str) -> None:
    assert not has_passed(probe_tcp(address, 0.5))
