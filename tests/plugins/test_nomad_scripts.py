"""The scripts that run on nodes, run here: starting, unpacking, installing once for many, and what they say."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from serai_nomad.exit_codes import NO_BUNDLE, NO_COMMAND, NO_ENVIRONMENT
from serai_nomad.job.bundle_contents import BundleContents
from serai_nomad.job.install_script import make_arguments as make_install_arguments
from serai_nomad.job.install_script import make_install_script
from serai_nomad.job.start_script import make_arguments, make_start_script

# Instead of the real uv: makes an "environment" at once, and writes down what it was asked.
UV = """#!/bin/sh
echo "$*" >> "$UV_LOG"
case $1 in
    venv)
        for place; do :; done
        mkdir -p "$place/bin"
        printf '#!/bin/sh\\necho of-the-environment\\n' > "$place/bin/python"
        chmod +x "$place/bin/python"
        ;;
    pip)
        sleep "${UV_TAKES:-0}"
        if [ -e fail ]; then
            echo "no such package" >&2
            exit 3
        fi
        ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Node:
    """The folders of a replica, as Nomad makes them, and a PATH with a uv of the test's own."""

    root: Path

    @property
    def bundle(self) -> Path:
        return self.root / "alloc" / "bundle"

    @property
    def shared(self) -> Path:
        return self.root / "shared"

    def calls(self) -> list[str]:
        path = self.root / "uv.log"
        return path.read_text().splitlines() if path.exists() else []

    def env(self, more: Mapping[str, str]) -> dict[str, str]:
        return {
            "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.root),
            "NOMAD_ALLOC_DIR": str(self.root / "alloc"),
            "NOMAD_TASK_DIR": str(self.root / "local"),
            "NOMAD_TOKEN_serai": "token",
            "UV_LOG": str(self.root / "uv.log"),
            **more,
        }

    def start(self, script: str, *arguments: str, **env: str) -> subprocess.Popen[str]:
        path = self.root / "script.sh"
        path.write_text(script)
        command = ["/bin/sh", str(path), *arguments]
        return subprocess.Popen(command, stdout=-1, stderr=-1, text=True, cwd=self.root, env=self.env(env))

    def run(self, script: str, *arguments: str, **env: str) -> tuple[int, str, str]:
        with self.start(script, *arguments, **env) as process:
            out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def install(self, contents: BundleContents, **env: str) -> tuple[int, str, str]:
        arguments = make_install_arguments(sys.executable, str(self.shared), contents, is_image=False)
        return self.run(make_install_script(contents.needs_tar), *arguments, **env)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    node = Node(tmp_path)
    for folder in ("alloc/bundle", "local", "bin"):
        (tmp_path / folder).mkdir(parents=True)
    uv = tmp_path / "bin" / "uv"
    uv.write_text(UV)
    uv.chmod(0o755)
    return node


def starting(**parts: bool) -> str:
    return make_start_script(**{"has_bundle": True, "unpacks": False, "has_environment": False, **parts})


PACKAGES = BundleContents(requirements="ab" * 32)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("echo", "${HOME}", "a  b", "'\"$x`", "", "-n"), "${HOME} a  b '\"$x`  -n\n"),
        ("echo $((1 + 2)); echo '${A}'", "3\n${A}\n"),
        ("pwd", "{bundle}\n"),
        ("echo [$NOMAD_TOKEN_serai]", "[]\n"),
    ],
)
def test_a_command_runs_in_the_bundle_as_it_was_written(node: Node, command: str | tuple[str, ...], said: str) -> None:
    assert node.run(starting(), *make_arguments(command)) == (0, said.replace("{bundle}", str(node.bundle)), "")


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("#!/bin/cat\necho shell\n", 0o755, "#!/bin/cat\necho shell\n"),
        ("#!/nowhere\necho shell\n", 0o644, "shell\n"),
        ("echo shell", 0o755, "shell\n"),
        ("", 0o644, ""),
    ],
)
def test_start_sh_runs_by_itself_only_if_it_can(node: Node, text: str, mode: int, said: str) -> None:
    (node.bundle / "start.sh").write_text(text)
    (node.bundle / "start.sh").chmod(mode)
    assert node.run(starting()) == (0, said, "")


def test_nothing_to_run_is_said(node: Node) -> None:
    code, _, err = node.run(starting())
    assert (code, err) == (
        NO_COMMAND,
        "serai: The bundle has no start.sh, and the manifest names no command.\n",
    )
    assert node.run(starting(), "no-such-program")[0] == NO_COMMAND
    node.bundle.rmdir()
    assert node.run(starting())[0] == NO_BUNDLE


def test_without_a_bundle_the_task_s_own_folder_is_used(node: Node) -> None:
    assert node.run(starting(has_bundle=False), "pwd")[1] == f"{node.root / 'local'}\n"


def test_the_exit_code_and_the_process_are_the_models_own(node: Node) -> None:
    code, out, _ = node.run(starting(), "/bin/sh", "-c", "echo $PPID; exit 7")
    assert (code, out) == (7, f"{os.getpid()}\n")


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_links_survive_unpacking_which_happens_once(node: Node, mode: str) -> None:
    node.bundle.rmdir()
    with tarfile.open(node.root / "alloc" / "bundle.tar", mode) as tar:  # type: ignore[call-overload]
        script = node.root / "model.sh"
        script.write_text("#!/bin/sh\necho model\n")
        script.chmod(0o755)
        tar.add(script, "model.sh")
        link = tarfile.TarInfo("start.sh")
        link.type, link.linkname = tarfile.SYMTYPE, "model.sh"
        tar.addfile(link)
    for _ in range(2):
        assert node.run(starting(unpacks=True)) == (0, "model\n", "")
    assert [path.name for path in (node.root / "alloc").iterdir()] == ["bundle"]


def test_what_cannot_be_unpacked_is_said(node: Node) -> None:
    node.bundle.rmdir()
    (node.root / "alloc" / "bundle.tar").write_text("nonsense")
    code, _, err = node.run(starting(unpacks=True))
    assert code == NO_BUNDLE
    assert err.endswith("serai: The bundle cannot be unpacked; it holds links or very many files, which takes a tar.\n")
    assert not node.bundle.exists()


def test_packages_are_installed_once_and_used(node: Node) -> None:
    (node.bundle / "requirements.txt").write_text("six\n")
    for _ in range(2):
        assert node.install(PACKAGES)[0] == 0
    assert len(node.calls()) == 2  # venv, pip: of the first time alone
    assert oct(node.shared.stat().st_mode)[-3:] == "700"
    code, out, _ = node.run(starting(has_environment=True), "/bin/sh", "-c", 'echo "$VIRTUAL_ENV"; python')
    place, said = out.splitlines()
    assert (code, said, Path(place).parent) == (0, "of-the-environment", node.shared)


def test_what_names_files_of_the_bundle_is_shared_with_nobody(node: Node) -> None:
    (node.bundle / "requirements.txt").write_text("./six.whl\n")
    assert node.install(BundleContents(requirements="ab" * 32, names_files=True))[0] == 0
    assert not node.shared.exists()
    assert (node.root / "alloc" / "environment.path").read_text() == f"{node.root / 'alloc' / 'environment'}\n"
    assert node.run(starting(has_environment=True), "python") == (0, "of-the-environment\n", "")


def test_two_replicas_install_together_once(node: Node) -> None:
    (node.bundle / "requirements.txt").write_text("six\n")
    arguments = make_install_arguments(sys.executable, str(node.shared), PACKAGES, is_image=False)
    script = make_install_script(False)
    with node.start(script, *arguments, UV_TAKES="1") as one, node.start(script, *arguments, UV_TAKES="1") as other:
        said = [process.communicate(timeout=60)[1] for process in (one, other)]
    assert (one.returncode, other.returncode, len(node.calls())) == (0, 0, 2)
    assert sum("Another replica is installing" in text for text in said) == 1


def test_a_failure_is_said_and_leaves_nothing_half_made(node: Node) -> None:
    (node.bundle / "requirements.txt").write_text("six\n")
    (node.bundle / "fail").touch()
    code, _, err = node.install(PACKAGES)
    assert code == 1
    assert err.endswith("no such package\nserai: Installing requirements.txt failed with exit code 3.\n")
    assert [path.suffix for path in node.shared.iterdir()] == [".lock"]
    (node.bundle / "fail").unlink()
    assert node.install(PACKAGES)[0] == 0


def test_an_interpreter_that_is_not_there_is_named(node: Node) -> None:
    (node.bundle / "requirements.txt").touch()
    code, _, err = node.run(make_install_script(False), "python9", "", "key", "")
    assert (code, err) == (
        1,
        "serai: There is no python9 on this node; install it, or set plugin.nomad.python.\n",
    )


def test_a_shared_folder_that_is_a_link_is_refused(node: Node) -> None:
    (node.bundle / "requirements.txt").touch()
    (node.root / "theirs").mkdir()
    node.shared.symlink_to(node.root / "theirs")
    code, _, err = node.install(PACKAGES)
    assert code == 1
    assert "is not a folder of" in err
    assert list((node.root / "theirs").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder another's")
def test_a_shared_folder_of_somebody_else_is_refused(node: Node) -> None:
    (node.bundle / "requirements.txt").touch()
    node.shared.mkdir(mode=0o777)
    os.chown(node.shared, 65534, 65534)
    code, _, err = node.install(PACKAGES)
    assert (code, node.calls()) == (1, [])
    assert "is not a folder of" in err


def test_packages_that_are_gone_are_said(node: Node) -> None:
    (node.root / "alloc" / "environment.path").write_text(f"{node.root / 'gone'}\n")
    code, _, err = node.run(starting(has_environment=True), "true")
    assert (code, err) == (NO_ENVIRONMENT, f"serai: The packages of requirements.txt are gone from {node.root}/gone.\n")


def test_old_environments_go_unless_a_model_uses_them(node: Node) -> None:
    (node.bundle / "requirements.txt").write_text("six\n")
    long_ago = time.time() - 40 * 86400
    for key in ("old", "used"):
        place = node.shared / key
        (place / "bin").mkdir(parents=True)
        (node.shared / f"{key}.lock").touch()
        (place / ".serai-complete").touch()
        (place / "bin" / "python").touch(mode=0o755)
    node.shared.chmod(0o700)
    (node.root / "alloc" / "environment.path").write_text(f"{node.shared / 'used'}\n")
    with node.start(starting(has_environment=True), "/bin/sh", "-c", "echo up; exec sleep 60") as model:
        assert model.stdout is not None
        assert model.stdout.readline() == "up\n"
        for key in ("old", "used"):
            os.utime(node.shared / key / ".serai-complete", (long_ago, long_ago))
        assert node.install(PACKAGES)[0] == 0
        left = {path.name for path in node.shared.iterdir() if path.is_dir()}
        model.kill()
    assert "used" in left
    assert "old" not in left
