"""Models that behave, and models that do not: each ends in a clear reason and leaves nothing behind."""

from __future__ import annotations

import json
import time
import urllib.request
from dataclasses import replace

import pytest

from serai.domain.observation import Phase, Stream
from serai.domain.spec import CheckKind, Health, Resources
from tests.plugins.stage import ON_PORT, PYTHON, SERVE, SERVE_ON, WAITING, Stage, python
from tests.waiting import eventually

HTTP = Health(CheckKind.HTTP, "/healthz", interval_s=0.2, timeout_s=0.5)


def test_a_folder_with_start_sh_serves_from_a_private_copy(stage: Stage) -> None:
    workload = stage.serve({"hello.txt": "hi"}, count=2)
    first, second = stage.ready(workload)
    for replica in (first, second):
        with urllib.request.urlopen(f"http://{replica.address}/hello.txt", timeout=5) as answer:
            assert answer.read() == b"hi"
    (stage.place(workload, first.id) / "work" / "hello.txt").write_text("changed")
    assert (stage.place(workload, second.id) / "work" / "hello.txt").read_text() == "hi"
    stage.stop(workload)
    assert not (stage.place(workload, first.id) / "work").exists()
    assert not (stage.place(workload, first.id) / "env.json").exists()


def test_start_sh_need_not_be_executable_nor_name_its_shell(stage: Stage) -> None:
    bare = f"{PYTHON} -m http.server --bind 127.0.0.1 $PORT"
    stage.ready(stage.run("plain-v1", bundle=stage.bundle({"start.sh": bare})))


def test_the_environment_is_clean_and_whole(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERAI_TOKEN", "secret of the server")
    code = "import json\nprint(json.dumps(dict(os.environ)))\n" + SERVE_ON
    workload = stage.run(command=python(code), env={"MINE": "1"})
    (replica,) = stage.ready(workload)
    env = json.loads(stage.texts(workload, replica.id, Stream.STDOUT)[0])
    assert "SERAI_TOKEN" not in env
    assert (env["MINE"], env["SECRET"], env["SERAI_REPLICA"]) == ("1", "hush", replica.id)
    assert (env["SERAI_DEPLOYMENT"], env["PYTHONUNBUFFERED"]) == ("model", "1")
    whose = f"serai.deployment=model,serai.version={workload.version},serai.replica={replica.id}"
    assert env["OTEL_RESOURCE_ATTRIBUTES"] == whose
    assert replica.address == f"127.0.0.1:{env['PORT']}"
    files = [path for path in stage.folder.rglob("*") if path.is_file() and "hush" in path.read_text(errors="replace")]
    assert files and {path.stat().st_mode & 0o077 for path in files} == {0}
    assert (stage.folder / "local").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("code", "said"), [(0, "exited with code 0"), (3, "exited with code 3")])
def test_one_that_exits_is_started_again_with_its_last_words(stage: Stage, code: int, said: str) -> None:
    workload = stage.serve({"start.sh": f"#!/bin/sh\necho tried; echo because >&2; exit {code}"})
    reason = stage.reason(workload, lambda replica, _: replica.crashes >= 3)
    assert said in reason.text and reason.exit_code == code and reason.code == "restarting"
    assert set(reason.log) == {"tried", "because"}
    assert stage.observe(workload).failed is None, "giving up is the core's"


def test_one_killed_by_a_signal_says_which(stage: Stage) -> None:
    workload = stage.serve({"start.sh": "#!/bin/sh\nkill -SEGV $$"})
    reason = stage.reason(workload, lambda replica, _: replica.crashes > 0)
    assert "SIGSEGV" in reason.text and reason.exit_code == -11


def test_crashes_are_forgotten_once_it_is_ready(stage: Stage) -> None:
    code = "open('n', 'a').write('x')\nif os.path.getsize('n') < 3: sys.exit(1)\n" + SERVE_ON
    workload = stage.run(command=python(code))
    stage.reason(workload, lambda replica, _: replica.crashes > 0)
    (replica,) = stage.ready(workload)
    assert replica.crashes == 0 and replica.reason is None


def test_one_that_never_listens_keeps_loading(stage: Stage) -> None:
    workload = stage.run(command=python("time.sleep(99)"))
    reason = stage.reason(workload, lambda replica, _: replica.phase is Phase.LOADING)
    assert reason.code == "loading" and f"port {stage.the(workload).address.split(':')[1]}" in reason.text


def test_one_that_listens_late_is_ready_at_once_then(stage: Stage) -> None:
    code = "time.sleep(1.5)\n" + ON_PORT + "print(time.time(), flush=True)\ntime.sleep(99)"
    workload = stage.run(command=python(code))
    (replica,) = stage.ready(workload)
    listened_at = float(stage.texts(workload, replica.id, Stream.STDOUT)[0])
    assert replica.since.timestamp() - listened_at < 0.5


def test_one_that_listens_on_another_port_is_told_to_use_port(stage: Stage) -> None:
    code = "server = listen(0)\nprint(server.getsockname()[1])\ntime.sleep(99)"
    workload = stage.run(command=python(code))
    reason = stage.reason(workload, lambda _, reason: "$PORT" in reason.text)
    port = stage.texts(workload, stage.the(workload).id, Stream.STDOUT)[0]
    assert f"listens on port {port}" in reason.text and f"port: {port}" in reason.text


def test_one_that_listens_on_ipv6_alone_is_reached_there(stage: Stage) -> None:
    code = "s = socket.socket(socket.AF_INET6)\ns.bind(('::1', int(os.environ['PORT'])))\ns.listen()\ntime.sleep(99)"
    try:
        (replica,) = stage.ready(stage.run(command=python(code)))
    except AssertionError:
        pytest.skip("this machine has no IPv6")
    assert replica.address.startswith("[::1]:")


def test_an_http_check_tells_what_was_answered(stage: Stage) -> None:
    workload = stage.serve(health=HTTP)
    reason = stage.reason(workload, lambda replica, _: replica.phase is Phase.CHECKING)
    assert reason.code == "checking" and "/healthz answered 404" in reason.text
    (stage.place(workload, stage.the(workload).id) / "work" / "healthz").write_text("ok")
    (replica,) = stage.ready(workload)
    (stage.place(workload, replica.id) / "work" / "healthz").unlink()
    reason = stage.reason(workload, lambda replica, _: replica.phase is Phase.CHECKING and not replica.ready)
    assert "3 checks in a row failed" in reason.text


def test_a_check_that_hangs_is_not_a_pass(stage: Stage) -> None:
    code = ON_PORT + "kept = []\nwhile True: kept.append(server.accept())"
    workload = stage.run(command=python(code), health=HTTP)
    reason = stage.reason(workload, lambda replica, _: replica.phase is Phase.CHECKING)
    assert "no answer within 0.5 s" in reason.text


def test_a_flood_of_lines_fills_a_bounded_disk_and_loses_nothing_that_is_kept(stage: Stage) -> None:
    stage.scheduler.close()
    stage.settings = replace(stage.settings, log_file_bytes=100_000, log_files=3)
    stage.open()
    code = "for n in range(20000): print('line', n)\n" + SERVE_ON
    workload = stage.run(command=python(code))
    (replica,) = stage.ready(workload)
    texts = stage.texts(workload, replica.id, Stream.STDOUT)
    assert texts[-1] == "line 19999" and len(texts) > 4000
    assert texts == [f"line {n}" for n in range(20000 - len(texts), 20000)]
    sizes = [path.stat().st_size for path in (stage.place(workload, replica.id) / "logs").iterdir()]
    assert len(sizes) <= 3 and sum(sizes) <= 300_000


def test_one_that_ignores_sigterm_is_killed_after_its_drain_time(stage: Stage) -> None:
    code = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVE_ON
    workload = stage.run(command=python(code), drain_timeout_s=0.5)
    (replica,) = stage.ready(workload)
    began = time.monotonic()
    stage.stop(workload)
    assert 0.5 <= time.monotonic() - began < 5
    (ended,) = stage.observe(workload).replicas
    assert (ended.id, ended.phase, ended.live, ended.ready) == (replica.id, Phase.ENDED, False, False)
    assert any("drain_timeout" in text for text in stage.texts(workload, replica.id, Stream.SYSTEM))


DAEMON = f"""#!/bin/sh
{PYTHON} -c 'import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: time.sleep(300)
    os._exit(0)' &
env -i {PYTHON} -c 'import os, time
os.setsid() if os.fork() == 0 else os._exit(0)
time.sleep(301)' &
"""


def test_children_and_daemons_end_with_the_replica(stage: Stage) -> None:
    workload = stage.serve({"start.sh": DAEMON + SERVE.partition("\n")[2]}, drain_timeout_s=0.3)
    stage.ready(workload)
    (shim,) = stage.shims()
    eventually(lambda: len(below := shim.children(recursive=True)) >= 3 and below)
    family = shim.children(recursive=True)
    stage.stop(workload)
    eventually(lambda: not any(process.is_running() for process in family))


def test_one_that_leaves_its_server_in_the_background_is_told_to_stay(stage: Stage) -> None:
    workload = stage.serve({"start.sh": f"#!/bin/sh\n{PYTHON} -m http.server $PORT &\nexit 0"})
    reason = stage.reason(workload, lambda replica, _: replica.crashes > 0)
    assert "foreground" in reason.text and reason.exit_code == 0


def test_one_that_eats_memory_is_killed_with_both_numbers(stage: Stage) -> None:
    code = "kept = bytearray(120 << 20)\nfor n in range(0, len(kept), 4096): kept[n] = 1\n" + SERVE_ON
    workload = stage.run(command=python(code), resources=Resources(memory_bytes=60 << 20))
    reason = stage.reason(workload, lambda _, reason: reason.code == "out-of-memory")
    assert "60 MiB" in reason.text and "was killed" in reason.text


def test_a_kill_from_outside_is_not_called_out_of_memory(stage: Stage) -> None:
    workload = stage.run(command=WAITING)
    (replica,) = stage.ready(workload)
    stage.processes(replica.id)[0].kill()
    reason = stage.reason(workload, lambda replica, _: replica.crashes == 1)
    assert reason.code == "restarting" and "SIGKILL" in reason.text
    assert stage.ready(workload)[0].id == replica.id, "the same replica goes on"


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (("/no/such/program",), "command-missing", "/no/such/program"),
        (("./hello.txt",), "command-missing", "Permission denied"),
    ],
)
def test_a_command_that_cannot_run_fails_at_once(stage: Stage, command: tuple[str, ...], code: str, said: str) -> None:
    workload = stage.run(bundle=stage.bundle({"hello.txt": ""}), command=command)
    failed = eventually(lambda: stage.observe(workload).failed)
    assert failed and failed.code == code and said in failed.text


def test_a_command_the_shell_cannot_find_is_named(stage: Stage) -> None:
    workload = stage.run(command="no-such-program --port $PORT")
    reason = stage.reason(workload, lambda replica, _: replica.crashes > 0)
    assert reason.code == "command-missing" and reason.exit_code == 127
    assert any("no-such-program" in line for line in reason.log)


def test_a_bundle_without_start_sh_fails(stage: Stage) -> None:
    workload = stage.run(bundle=stage.bundle({"README": "no start"}))
    failed = eventually(lambda: stage.observe(workload).failed)
    assert failed and failed.code == "command-missing" and "start.sh" in failed.text


def test_a_truncated_bundle_fails(stage: Stage) -> None:
    whole = stage.bundle_path(stage.bundle({"start.sh": SERVE})).read_bytes()
    workload = stage.run(bundle=stage.raw_bundle(whole[:600]))
    failed = eventually(lambda: stage.observe(workload).failed)
    assert failed and failed.code == "bundle-broken" and "ends in the middle" in failed.text


def test_a_missing_bundle_fails(stage: Stage) -> None:
    workload = stage.run(bundle="sha256:" + "0" * 64)
    failed = stage.observe(workload).failed
    assert failed and failed.code == "bundle-missing"


def test_long_lines_and_bad_bytes_are_kept(stage: Stage) -> None:
    code = "os.write(1, b'x' * 40000 + b'\\n' + b'\\xff\\r\\nno newline')\n" + SERVE_ON
    workload = stage.run(command=python(code))
    (replica,) = stage.ready(workload)
    stage.stop(workload)
    texts = stage.texts(workload, replica.id, Stream.STDOUT)
    assert "".join(texts[:3]) == "x" * 40000
    assert texts[3:] == ["\N{REPLACEMENT CHARACTER}", "no newline"]


def test_usage_is_a_rate_over_the_whole_tree(stage: Stage) -> None:
    code = ON_PORT + "os.fork()\nkept = bytearray(b'x' * (30 << 20))\nwhile True: pass"
    workload = stage.run(command=python(code), resources=Resources(memory_bytes=1 << 30))
    (replica,) = stage.ready(workload)
    (first,) = stage.scheduler.usage()
    assert first.cpu_user is None and first.memory_total_bytes == 1 << 30
    sample = eventually(lambda: next((s for s in stage.scheduler.usage() if s.cpu_user is not None), None))
    assert sample and sample.replica == replica.id and sample.cpu_user is not None and sample.cpu_system is not None
    assert 0.2 < sample.cpu_user + sample.cpu_system < 3.0
    assert sample.memory_used_bytes and sample.memory_used_bytes > 60 << 20
