"""The Vagrantfile and its provisioning, as far as that goes without virtual machines."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from serai.config import Configuration
from serai_dev.__main__ import main
from serai_nomad.settings import load_settings

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(ROOT.glob("vagrant/*.sh"))

# Runs the Vagrantfile against an object that takes every call and writes it down.
RECORDER = """
require "json"
CALLS = []
class Recorder < BasicObject
  def initialize(path) = @path = path
  def method_missing(name, *arguments, **options, &block)
    path = @path + [name.to_s]
    ::CALLS << [path.join("."), arguments, options]
    inner = ::Recorder.new(name == :define ? [arguments.first] : path)
    block&.call(inner)
    inner
  end
  def respond_to_missing?(*) = true
end
module Vagrant
  def self.configure(version) = yield(Recorder.new([]))
end
load ARGV.first
puts CALLS.to_json
"""


def need(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program}: not on PATH")
    return found


def run(*command: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, timeout=60, **options
    )


@pytest.fixture(scope="module")
def calls() -> list[tuple[str, list[Any], dict[str, Any]]]:
    """What the Vagrantfile asks for, in order."""
    done = run(need("ruby"), "-e", RECORDER, ROOT / "Vagrantfile")
    assert done.returncode == 0, done.stderr
    return [tuple(call) for call in json.loads(done.stdout)]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_well_formed_and_stops_at_the_first_error(script: Path) -> None:
    done = run("bash", "-n", script)
    assert done.returncode == 0, done.stderr
    assert script.read_text().startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in script.read_text()
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    done = run(need("shellcheck"), script)
    assert done.returncode == 0, done.stdout


def test_vagrant_accepts_it(tmp_path: Path) -> None:
    env = os.environ | {"VAGRANT_HOME": str(tmp_path / "home"), "VAGRANT_DOTFILE_PATH": str(tmp_path / "dot")}
    done = run(need("vagrant"), "validate", "--ignore-provider", cwd=ROOT, env=env)
    assert done.returncode == 0, done.stdout + done.stderr


def test_box_and_package_are_pinned() -> None:
    text = (ROOT / "Vagrantfile").read_text()
    assert re.search(r'^BOX_VERSION = "\d[\d.]+"', text, re.MULTILINE)
    assert re.search(r'^NOMAD_PACKAGE = "\d+\.\d+\.\d+-\d+"', text, re.MULTILINE)
    assert re.search(r"^fingerprint=[0-9A-F]{40}$", (ROOT / "vagrant" / "nomad.sh").read_text(), re.MULTILINE)


def test_machines_networks_and_scripts(calls: list[tuple[str, list[Any], dict[str, Any]]]) -> None:
    assert [arguments[0] for path, arguments, _ in calls if path == "vm.define"] == ["server", "client-1", "client-2"]
    forwarded = [(p, o) for p, a, o in calls if p.endswith("vm.network") and a == ["forwarded_port"]]
    assert [options["guest"] for _, options in forwarded] == [8080, 8000, 4646]
    assert all(path == "server.vm.network" and o["host_ip"] == "127.0.0.1" for path, o in forwarded)
    addresses = [o["ip"] for p, a, o in calls if p.endswith("vm.network") and a == ["private_network"]]
    assert len(set(addresses)) == 3
    for _, arguments, options in (call for call in calls if call[0].endswith("vm.provision")):
        assert arguments == ["shell"]
        usage = re.search(r"Usage: \S+ ([A-Z_ ]+)\.", (ROOT / options["path"]).read_text())
        assert usage
        assert len(options["args"]) == len(usage[1].split())


@pytest.mark.parametrize("role", ["server", "client"])
def test_nomad_accepts_the_files_that_machines_get(role: str, tmp_path: Path) -> None:
    words = ["files", role, "--to", tmp_path / "nomad.d", "--name", role, "--address", "192.168.56.11"]
    if role == "client":
        words += ["--interface", "eth1", "--join", "192.168.56.10:4647", "--gpus", "A100-40GB:2"]
        words += ["--plugin-dir", tmp_path / "plugins"]
    assert main([str(word) for word in words]) == 0
    assert sorted(path.name for path in (tmp_path / "nomad.d").iterdir()) == sorted(
        ["agent.hcl", f"{role}.hcl", "node.hcl"]
    )
    assert (tmp_path / "plugins" / "serai-gpu").exists() == (role == "client")
    done = run(need("nomad"), "config", "validate", tmp_path / "nomad.d")
    assert done.returncode == 0, done.stderr


def test_the_settings_that_the_server_gets_are_good() -> None:
    text = re.search(r"<<END\n(.*?)\nEND\n", (ROOT / "vagrant" / "server.sh").read_text(), re.DOTALL)
    assert text
    settings = tomllib.loads(text[1].replace("$address", "192.168.56.10"))
    nomad = load_settings(settings["plugin"]["nomad"], {})
    assert (nomad.bundle_url, nomad.pool) == ("http://192.168.56.10:8080", "gpu")
    known = {field.name for field in dataclasses.fields(Configuration)} | {"plugin"}
    assert set(settings) <= known


def test_gpus_that_cannot_be_read_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["files", "client", "--to", str(tmp_path), "--name", "c", "--address", "10.0.0.1", "--gpus", "Mine:1"]
    assert main([*words, "--plugin-dir", str(tmp_path)]) == 1
    assert "the memory of 'Mine' is not known" in capsys.readouterr().err


def test_a_foreign_key_is_refused(tmp_path: Path) -> None:
    """nomad.sh with a repository that hands out another key; programs that would change this machine are stand-ins."""
    gpg = need("gpg")
    if Path("/usr/share/keyrings/hashicorp-archive-keyring.gpg").exists():
        pytest.skip("this machine has HashiCorp's keyring, so nomad.sh fetches none")
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    make = ("--batch", "--passphrase", "", "--quick-gen-key", "somebody@example.org", "ed25519")
    assert run(gpg, "--homedir", home, *make).returncode == 0
    run(gpg, "--homedir", home, "--armor", "--output", tmp_path / "key.asc", "--export")
    run("gpgconf", "--homedir", home, "--kill", "all")

    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("apt-get", "apt-mark", "dpkg-query", "install", "rm"):
        (programs / name).write_text(f"#!/bin/sh\necho {name} >>{tmp_path}/called\n")
    (programs / "curl").write_text(f'#!/bin/sh\nfor last; do :; done\ncp {tmp_path}/key.asc "$last"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    env = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "GNUPGHOME": str(home), "TMPDIR": str(tmp_path)}
    done = run("bash", ROOT / "vagrant" / "nomad.sh", "2.0.5-1", env=env)
    assert done.returncode == 1
    assert "nothing is installed" in done.stderr
    assert "install" not in (tmp_path / "called").read_text().split()
    run("gpgconf", "--homedir", home, "--kill", "all")
