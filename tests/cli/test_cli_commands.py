"""Every command against a real server, gateway and models."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Serai
from tests.system.installation import MODEL, Installation, make_model
from tests.waiting import eventually

pytestmark = pytest.mark.slow

CRASHING = "import sys\nprint('about to fail', flush=True)\nsys.exit('no weights found')\n"
SLOW_TO_LISTEN = "import time\nprint('waiting', flush=True)\ntime.sleep(600)\n"
ECHO = """
import http.server, os
class Model(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        status = int(self.path.partition("status=")[2] or 200)
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        lines = [self.command, self.path, self.headers.get("Content-Type"), self.headers.get("X-Mine")]
        lines += [self.headers.get("Authorization"), os.environ.get("API_KEY")]
        self.wfile.write("\\n".join(map(str, lines)).encode() + b"\\n" + body)
    do_POST = do_PUT = do_GET
    def log_message(self, *_): pass
print("\\x1b[31mred\\x1b[0m and \\x1b]0;title\\x07", flush=True)
print("listening", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Model).serve_forever()
"""


@pytest.fixture(scope="module")
def echo(installation: Installation) -> Iterator[str]:
    """The name of a deployment that says what it was asked."""
    folder = make_model(installation.folder / "echo", "name: echo\nsecrets: {API_KEY: from-manifest}\n", ECHO)
    installation.deploy(folder)
    yield "echo"
    installation.run("stop", "echo", "--detach")


def test_from_folder_to_url_and_away(serai: Serai, tmp_path: Path) -> None:
    folder = make_model(tmp_path / "My Model", "health: {interval: 200ms}\n", MODEL)
    first = serai("deploy", folder)
    assert "preparing" in first.stdout
    assert "my-model v1 is running at http" in first.stdout

    again = serai("deploy", folder)
    assert "my-model v1 is the same; no new version is made." in again.stdout
    (folder / "serai.yaml").write_text("health: {interval: 200ms}\nreplicas: 2\n")
    scaled = serai.json("deploy", folder)
    assert (scaled["number"], scaled["wanted"]) == (1, 2), "a changed count makes no version"

    (folder / "notes.txt").write_text("new")
    assert serai.json("deploy", folder, "--replicas", "1")["number"] == 2
    assert [version["number"] for version in serai.json("versions", "my-model")] == [2, 1]
    assert "v2" in serai("versions", "my-model").stdout

    refused = serai("delete", "my-model:2", "--yes", code=1)
    assert "2" in refused.stderr
    assert "say what to delete" in serai("delete", "my-model", code=2).stderr
    assert "give --yes" in serai("delete", "my-model", "--all", code=2).stderr

    assert "my-model v2 is stopped." in serai("stop", "my-model").stdout
    assert "my-model v1 is running" in serai("start", "my-model:1").stdout
    serai("stop", "my-model:1")
    eventually(lambda: serai("delete", "my-model:2", "--yes"))
    assert [version["number"] for version in serai.json("versions", "my-model")] == [1]
    assert serai.json("delete", "my-model", "--all", "--yes") == {"deleted": {"name": "my-model", "version": None}}
    assert "there is no deployment" in serai("status", "my-model", code=1).stderr


def test_looking(serai: Serai, echo: str) -> None:
    assert "echo" in serai("ls").stdout
    assert [item["name"] for item in serai.json("ls") if item["name"] == echo] == [echo]
    status = serai("status", echo).stdout
    assert "Running" in status
    assert "REPLICA" in status
    assert serai.json("status", f"{echo}:1")["number"] == 1
    assert "version 1" in serai("status", f"{echo}:1").stdout
    assert "admin (admin, read, write)" in serai("whoami").stdout
    assert "version.started" in serai("events", echo).stdout
    assert {event["deployment"] for event in serai.json("events", echo)} == {echo}
    assert serai.json("capacity")["nodes"]
    assert "CORES" in serai("capacity").stdout
    assert serai.json("capacity", "--pool", "nowhere") == {"gpus": [], "nodes": []}
    assert "local" in serai("plugins").stdout
    assert serai.json("plugins")[0]["name"] == "local"


def test_limits(serai: Serai, echo: str) -> None:
    assert serai("limits", echo).stdout == (
        "echo: each key as often as it likes\necho: each client address as often as it likes\n"
    )
    assert "each key at most 100/s" in serai("limits", echo, "--per-key", "100/s").stdout
    changed = serai.json("limits", echo, "--per-client", "5/10s")
    assert (changed["per_key"], changed["per_client"]) == ("100/s", "5/10s"), "what is not named stays"
    assert "is not a rate; write 100/s" in serai("limits", echo, "--per-key", "often", code=2).stderr
    assert serai.json("limits", echo, "--per-key", "0", "--per-client", "0")["per_key"] == "0"


def test_scale_and_access(serai: Serai, echo: str) -> None:
    assert serai("scale", echo, "2").stdout == "echo: 1 -> 2 replicas\n"
    assert serai.json("scale", echo, "1")["count"] == 1
    assert "public" in serai("access", echo, "public").stdout
    assert "x-api-key" not in serai("access", echo, "public", "--header", "X-Api-Key").stdout  # keys are not asked for
    assert serai.json("access", echo, "public")["key_header"] == "x-api-key", "what is not named stays"
    assert "has a meaning of its own" in serai("access", echo, "public", "--header", "Cookie", code=2).stderr
    assert serai.json("access", echo, "public", "--header", "")["key_header"] == ""
    assert serai("scale", echo, "-1", code=2)
    assert "there is no deployment" in serai("scale", "nobody", "1", code=1).stderr


def test_logs(serai: Serai, echo: str) -> None:
    text = serai("logs", echo).stdout
    assert "listening" in text
    assert "\x1b]0" not in text, "what steers a terminal is taken out"
    assert "listening" not in serai("logs", echo, "--grep", "red").stdout
    found = serai("logs", f"{echo}:1", "--grep", "LISTENING", "--json").stdout.splitlines()  # of replicas gone, too
    line = json.loads(found[-1])
    assert (line["text"], line["stream"]) == ("listening", "stdout")
    replica = line["replica"]
    assert "listening" in serai("logs", f"{echo}:1/{replica}", "--timestamps", "--since", "1h").stdout
    listed = serai("logs", f"{echo}:1", "--list").stdout
    assert re.search(rf"{replica} +(live|ended|gone) +\d+ B ", listed), listed
    assert replica in {one["replica"] for one in json.loads(serai("logs", f"{echo}:1", "--list", "--json").stdout)}


def test_a_followed_log_ends_with_its_version(serai: Serai, tmp_path: Path) -> None:
    serai("deploy", make_model(tmp_path / "followed", "", ECHO))
    serai("stop", "followed")
    assert "listening" in serai("logs", "followed:1", "--follow").stdout


def test_call(serai: Serai, echo: str, tmp_path: Path) -> None:
    def call(*arguments: object, code: int = 0) -> list[str]:
        return serai("call", echo, *arguments, code=code).stdout.split("\n")

    assert call()[:2] == ["GET", "/"]
    assert call("/a?b=c", "-H", "X-Mine: yes")[1:4] == ["/a?b=c", "None", "yes"]
    assert call("x", "-d", '{"a": 1}')[:3] == ["POST", "/x", "application/json"]
    assert call("x", "-d", "text")[2].startswith("text/plain")
    assert call("x", "-X", "PUT", "-d", "b", "-H", "content-type: text/csv")[::2][:2] == ["PUT", "text/csv"]
    (tmp_path / "body.bin").write_bytes(b"\xff\x00")
    assert call("x", "-d", f"@{tmp_path / 'body.bin'}")[2] == "application/octet-stream"
    form = call("x", "-F", f"file=@{tmp_path / 'body.bin'}", "-F", "k=v")
    assert form[2].startswith("multipart/form-data")
    assert call()[4] == "None", "the token of the server is not given to a model"
    assert call("/status=404", code=4)
    assert call("/status=503", code=5)
    assert re.search(r"^HTTP/1\.[01] 200", "\n".join(call("--include")), re.MULTILINE)  # HAProxy passes the model's on
    document = serai.json("call", echo, "/y")
    assert (document["status"], document["headers"]["content-type"]) == (200, "text/plain")
    assert document["total"] >= document["first_byte"] > 0
    assert re.fullmatch("[0-9a-f]{32}", document["trace_id"])
    assert document["trace_url"] == ""
    told = serai("call", echo, "-i").stderr
    trace_id = told.split("trace ")[1].strip()
    assert serai("trace", trace_id.upper()).stdout == "No span of this trace is kept.\n"
    assert "32 letters" in serai("trace", "nothing", code=2).stderr
    assert "not both" in serai("call", echo, "-d", "x", "-F", "k=v", code=2).stderr
    assert "cannot be read" in serai("call", echo, "-d", "@nowhere", code=2).stderr


def test_metrics_count_every_call(serai: Serai, installation: Installation, tmp_path: Path) -> None:
    serai("deploy", make_model(tmp_path / "counted", "", ECHO))
    for _ in range(3):
        serai("call", "counted")
    serai("call", "counted", "/status=404", code=4)
    eventually(lambda: serai.json("metrics", "counted")["total"]["count"] == 4, 30)
    assert serai.json("metrics", "counted", "--status", "4xx")["total"]["count"] == 1
    table = serai("metrics", "counted:1", "--range", "5m", "--interval", "1m", "--clock", "first_byte").stdout
    assert table.splitlines()[-1].split()[:2] == ["total", "4"]
    eventually(lambda: serai.json("metrics", "counted", "--system", "--range", "5m")["replicas"], 30)
    header, *rows = serai("metrics", "counted", "--system", "--range", "5m").stdout.splitlines()
    assert header.split()[:4] == ["FROM", "VERSION", "REPLICAS", "CPU"]
    assert any(" v1 " in row and "MiB" in row for row in rows)
    _compare_versions(serai, tmp_path / "counted")


def _compare_versions(serai: Serai, folder: Path) -> None:
    """Have a second version of what had 4 requests, and look at both beside each other."""
    (folder / "notes.txt").write_text("new")
    serai("deploy", folder)
    serai("call", "counted", "/status=503", code=5)
    serai("call", "counted", "-d", "a body")
    words = ("metrics", "counted", "--compare", "1", "2", "--range", "5m")
    eventually(lambda: serai.json(*words)["total"]["versions"][1]["count"] == 2, 30)
    header, *rows = serai(*words).stdout.splitlines()
    assert header.split() == ["FIGURE", "V1", "V2", "CHANGE"]
    table = {row[:13].strip(): row[13:].split() for row in rows}
    assert table["requests"] == ["4", "2", "-50.0", "%"]
    assert table["failed (5xx)"] == ["0.00", "%", "50.00", "%", "+50.00", "points"]
    assert table["in"][:4] == ["0", "B", "6", "B"]
    assert rows[-2].startswith("v1: from 20") and rows[-1].startswith("v2: from 20")
    found = serai.json(*words, "--align", "start", "--clock", "first_byte")
    assert ([one["version"] for one in found["versions"]], found["clock"]) == ([1, 2], "first_byte")
    assert found["total"]["difference"]["count"] == -2
    assert sum(bucket["versions"][0]["count"] for bucket in found["buckets"]) == 4
    assert "no version 7" in serai("metrics", "counted", "--compare", "1", "7", code=1).stderr
    for wrong in (("counted", "--compare", "1", "1"), ("counted:1", "--compare", "1", "2"), (*words[1:], "--system")):
        assert serai("metrics", *wrong, code=2).stderr.startswith("Error: ")
    assert "add --compare A B" in serai("metrics", "counted", "--align", "start", code=2).stderr
    assert "--system does not show" in serai("metrics", "counted", "--system", "--status", "5xx", code=2).stderr
    serai("stop", "counted", "--detach")


def test_an_error_exits_with_3_and_says_why(serai: Serai, tmp_path: Path) -> None:
    folder = make_model(tmp_path / "crashing", "start_attempts: 1\n", CRASHING)
    failed = serai("deploy", folder, code=3)
    assert "crashing v1 is in Error." in failed.stderr
    assert "Exit code: 1" in failed.stderr
    assert "| no weights found" in failed.stderr
    document = json.loads(serai("deploy", folder, "--json", code=3).stdout)
    assert (document["state"], document["reason"]["exit_code"]) == ("error", 1)


def test_not_yet_exits_with_4_and_goes_on(serai: Serai, tmp_path: Path) -> None:
    folder = make_model(tmp_path / "slow", "", SLOW_TO_LISTEN)
    late = serai("deploy", folder, "--timeout", "2s", code=4)
    assert "slow v1 is not ready yet and goes on; see `serai status slow`." in late.stderr
    assert serai.json("status", "slow")["state"] == "preparing"
    assert "on its way" in serai("deploy", folder, "--detach").stdout
    serai("stop", "slow")


def test_dry_run_changes_nothing(serai: Serai, tmp_path: Path) -> None:
    folder = make_model(tmp_path / "dry", "resources: {memory: 64MiB}\n", MODEL)
    assert "It fits now: 1 replica would get a place at once" in serai("deploy", folder, "--dry-run").stdout
    assert serai.json("deploy", folder, "--dry-run")["verdict"] == "now"
    (folder / "serai.yaml").write_text("resources: {memory: 900TiB}\n")
    assert serai.json("deploy", folder, "--dry-run", code=3)["verdict"] == "never"
    assert "there is no deployment" in serai("status", "dry", code=1).stderr


def test_secrets_reach_the_model_and_nobody_else(serai: Serai, tmp_path: Path) -> None:
    folder = make_model(tmp_path / "secretive", 'secrets: {API_KEY: "{{ ask }}"}\n', ECHO)
    assert "set the environment variable API_KEY" in serai("deploy", folder, code=2).stderr
    done = serai("deploy", folder, API_KEY="hunter2")
    assert serai("call", "secretive").stdout.split("\n")[5] == "hunter2"
    everything = done.output + serai("status", "secretive", "--json").output + serai("events", "secretive").output
    assert "hunter2" not in everything
    serai("stop", "secretive", "--detach")


def test_login_and_logout(serai: Serai, nowhere: Serai, installation: Installation) -> None:
    token_file = installation.data / "admin.token"
    done = nowhere("login", installation.url, "--token-file", token_file)
    assert f"Signed in to {installation.url} as admin" in done.stdout
    assert token_file.read_text().strip() not in done.output
    assert nowhere.json("whoami")["login"] == "admin"
    assert nowhere("logout").exit_code == 0
    nowhere.environ["SERAI_URL"] = installation.url
    refused = nowhere("whoami", code=1)
    assert "serai login" in refused.stderr
    bad = nowhere("login", installation.url, "--token-file", "-", code=1, input="serai_wrong\n")
    assert "serai_wrong" not in bad.output
    assert "no terminal" in nowhere("login", installation.url, code=2).stderr


def test_login_by_browser(serai: Serai, installation: Installation) -> None:
    address = serai("login", "--browser", "--data", installation.data).stdout
    assert "/login?code=" in address
    assert "cannot be read" in serai("login", "--browser", "--data", "nowhere", code=1).stderr


def test_doctor(serai: Serai, nowhere: Serai, installation: Installation) -> None:
    lines = serai("doctor", "--data", installation.data).stdout
    assert "ok    server" in lines
    assert "ok    token" in lines
    nowhere.environ["SERAI_URL"] = installation.url
    found = {check["subject"]: check for check in json.loads(nowhere("doctor", "--json", code=1).stdout)}
    assert found["token"]["level"] == "fail"
    assert "serai login" in found["token"]["way_out"]


def test_errors_are_json_for_programs(serai: Serai) -> None:
    error = json.loads(serai("status", "nobody", "--json", code=1).stderr)["error"]
    assert error["code"] == "deployment-not-found"
    assert "nobody" in error["message"]


def test_names_are_completed(serai: Serai, echo: str) -> None:
    words = {"_SERAI_COMPLETE": "bash_complete", "COMP_WORDS": "serai status ec", "COMP_CWORD": "2"}
    assert serai(**words).stdout == "plain,echo\n"
