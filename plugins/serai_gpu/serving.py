"""The plugin as a process: Nomad's handshake, the services on a private socket, and ending when Nomad does."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from .base_service import BaseService, GoPlugin
from .config import GpuConfig, Mode
from .device_service import DeviceService
from .inventory import Inventory
from .nvml import NvmlInventory
from .sharing import SharedInventory
from .simulated import SimulatedInventory
from .socket_folder import socket_folder
from .wire import add_service

log = logging.getLogger(__name__)

COOKIE_VARIABLE = "NOMAD_PLUGIN_MAGIC_COOKIE"
COOKIE = "e4327c2e01eabfd75a8a67adb114fb34a757d57eee7728d857a8cec6e91a7255"
THREADS = 32  # each open stream holds one: the agent has three, and a new one before the old is gone
PARENT_EVERY_S = 0.5


def is_started_by_nomad(env: Mapping[str, str]) -> bool:
    return env.get(COOKIE_VARIABLE) == COOKIE


def serve() -> None:
    """Answer Nomad until it says so, ends, or this process is asked to end."""
    parent = os.getppid()
    stopped = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the agent's whole group; Nomad decides when to end
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    handshake = claim_stdout()
    with socket_folder() as folder:
        server, devices = make_server(stopped, folder / "plugin.sock")
        server.start()
        os.write(handshake, f"1|2|unix|{folder / 'plugin.sock'}|grpc|\n".encode())
        # Not by PR_SET_PDEATHSIG: that tells of the thread's end that started us, and Go ends threads as it likes.
        while not stopped.wait(PARENT_EVERY_S) and os.getppid() == parent:
            pass
        stopped.set()
        server.stop(grace=1.0).wait()
        devices.close()


def make_server(stopped: threading.Event, socket: Path) -> tuple[grpc.Server, DeviceService]:
    """Return the services, listening on `socket` once started."""
    server = grpc.server(ThreadPoolExecutor(THREADS))
    devices = DeviceService(stopped)

    def configure(config: GpuConfig) -> None:
        devices.take(make_inventory(config), config.period_s)
        log.info("mode %s, %d models, %d shares a GPU", config.mode, len(config.models), config.share)

    for service in (BaseService(configure).methods(), devices.methods(), *GoPlugin(stopped).methods()):
        add_service(server, service)
    server.add_insecure_port(f"unix:{socket}")
    return server, devices


def make_inventory(config: GpuConfig) -> Inventory:
    whole: Inventory = SimulatedInventory(config) if config.mode is Mode.SIMULATED else NvmlInventory()
    return SharedInventory(whole, config.share) if config.share > 1 else whole


def claim_stdout() -> int:
    """Return a descriptor of stdout for the handshake, and send whatever else is printed to stderr: one stray line
    on stdout and Nomad takes the plugin for broken."""
    sys.stdout.flush()
    handshake = os.dup(1)
    os.dup2(2, 1)
    return handshake
