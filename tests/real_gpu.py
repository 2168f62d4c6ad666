"""A real GPU for tests, a model that works on one, and what must be seen of it wherever it runs."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from serai.client.client import Client
from serai_gpu.nvml import load_nvml
from tests.system.deploying import put_folder
from tests.system.installation import Installation, make_model
from tests.waiting import eventually

GIB = 2**30
HELD_BYTES = GIB
MANIFEST = """
name: {name}
replicas: 1
health: {{http: /healthz, interval: 1s}}
start_timeout: 1m
resources: {{cpu: 200MHz, memory: 2GiB, gpu: {{count: 1, model: "^{model}$", memory: ">=4GiB"}}}}
"""
# Takes 1 GiB by CUDA's driver and writes it again and again; tells which GPUs the driver shows to this process.
CUDA_MODEL = f"""
import ctypes, http.server, json, os, threading, uuid
cuda = ctypes.CDLL("libcuda.so.1")
def call(name, *arguments):
    code = getattr(cuda, name)(*arguments)
    assert code == 0, f"{{name}} answered {{code}}"
def read_id(device):
    raw = ctypes.create_string_buffer(16)
    call("cuDeviceGetUuid", raw, device)
    return f"GPU-{{uuid.UUID(bytes=raw.raw)}}"
call("cuInit", 0)
count, context, place = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
call("cuDeviceGetCount", ctypes.byref(count))
ids = [read_id(device) for device in range(count.value)]
call("cuDevicePrimaryCtxRetain", ctypes.byref(context), 0)
call("cuCtxSetCurrent", context)
call("cuMemAlloc_v2", ctypes.byref(place), ctypes.c_size_t({HELD_BYTES}))
def work():
    call("cuCtxSetCurrent", context)
    while True:
        for _ in range(200):
            call("cuMemsetD32Async", place, 7, ctypes.c_size_t({HELD_BYTES} // 4), None)
        call("cuCtxSynchronize")
threading.Thread(target=work, daemon=True).start()
class Model(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = json.dumps({{"gpus": ids, "visible": os.environ.get("CUDA_VISIBLE_DEVICES")}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer((os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"])), Model)
print("working on", ids, flush=True)
server.serve_forever()
"""


@dataclass(frozen=True, slots=True)
class RealGpu:
    """What NVIDIA's driver says of a GPU: its UUID, its model's name, its memory in bytes."""

    id: str
    model: str
    memory_bytes: int


def find_real_gpu() -> RealGpu:
    """Return this machine's first GPU; skip the test where there is none."""
    try:
        nvml = load_nvml()
        handle = nvml.nvmlDeviceGetHandleByIndex(0)
    except Exception as error:  # NVML raises what it likes where there is no driver
        pytest.skip(f"NVIDIA GPU: none here ({error})")
    memory = int(nvml.nvmlDeviceGetMemoryInfo(handle).total)
    return RealGpu(str(nvml.nvmlDeviceGetUUID(handle)), str(nvml.nvmlDeviceGetName(handle)), memory)


def write_cuda_model(folder: Path, gpu: RealGpu, model: str = "", python: str = sys.executable) -> Path:
    """Write the folder of a deployment called as the folder, which asks for this model of GPU, or for `model`."""
    return make_model(folder, MANIFEST.format(name=folder.name, model=model or gpu.model), CUDA_MODEL, python)


def check_work(serai: Installation, gpu: RealGpu, name: str) -> None:
    """Assert that a deployment runs on this GPU and on no other, and that its figures are told."""
    answer = json.loads(serai.get(f"/{name}/"))
    assert answer == {"gpus": [gpu.id], "visible": gpu.id}
    with serai.client() as client:
        (replica,) = client.get_version(name, 1)["replicas"]
        assert replica["gpus"] == [gpu.id]
        figures = eventually(lambda: load_figures(client, name), 60, 0.5)
    assert (figures["id"], figures["model"]) == (gpu.id, gpu.model)
    top = figures["max"]
    assert 0 < max(filter(None, top["util"])) <= 100
    assert HELD_BYTES <= max(filter(None, top["vram_used"])) <= gpu.memory_bytes
    assert abs(max(filter(None, top["vram_total"])) - gpu.memory_bytes) < 2**20, "Nomad's unit is a MiB"
    assert 15 < max(filter(None, top["temperature"])) < 110
    assert 10 < max(filter(None, top["power"])) < 2000


def load_figures(client: Client, name: str) -> dict[str, Any]:
    """Return the columns of a deployment's one GPU once its use was seen, {} until then."""
    for replica in client.load_system(name, {"from": "10m", "interval": "1m"})["replicas"]:
        for gpu in replica["gpus"]:
            if any(gpu["max"]["util"]):
                return dict(gpu)
    return {}


def await_reason(client: Client, name: str, code: str) -> str:
    """Return the sentence once a deployment's first version waits for that reason."""

    def find() -> str:
        reason = client.get_version(name, 1)["reason"]
        return reason["text"] if reason and reason["code"] == code else ""

    return eventually(find, 30)


def check_taken_and_freed(serai: Installation, gpu: RealGpu, folder: Path, holder: str) -> None:
    """Assert that a second deployment waits, told who has the GPU, and starts once that one is stopped."""
    with serai.client() as client:
        second = put_folder(client, write_cuda_model(folder, gpu))["name"]
        assert holder in await_reason(client, second, "gpu-taken")
        (unit,) = [unit for node in client.load_capacity()["nodes"] for unit in node["gpus"]]
        assert (unit["model"], unit["taken_by"]) == (gpu.model, f"{holder}-v1")
        client.stop_deployment(holder)
        eventually(lambda: client.get_version(second, 1)["state"] == "running", 60)
