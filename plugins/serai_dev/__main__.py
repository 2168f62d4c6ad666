"""`python -m serai_dev`: the steps of `serai dev` one by one, for machines that the Vagrantfile makes."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from serai.domain.errors import SeraiError

from .access import set_up_access
from .calls import Nomad
from .hcl import Node, Role, fragments, make_node_file


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step; return the exit code."""
    wishes = make_parser().parse_args(arguments)
    try:
        write_files(wishes) if wishes.step == "files" else write_access(wishes)
    except (SeraiError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m serai_dev", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    files = steps.add_parser("files", help="write an agent's configuration, and a client's device plugin")
    files.add_argument("role", choices=list(Role))
    files.add_argument("--to", type=Path, required=True, help="folder of the configuration")
    files.add_argument("--name", required=True, help="the node's name")
    files.add_argument("--address", required=True, help="the address that other machines know")
    files.add_argument("--interface", default="lo", help="the network interface of that address")
    files.add_argument("--data-dir", type=Path, default=Path("/opt/nomad/data"))
    files.add_argument("--plugin-dir", type=Path, default=Path("/opt/nomad/plugins"))
    files.add_argument("--join", action="append", default=[], help="a server's rpc address, host:port")
    files.add_argument("--pool", default="gpu")
    files.add_argument("--gpus", default="", help="simulated GPUs, such as A100-40GB:2,T4:1")
    access = steps.add_parser("access", help="make the first token, Serai's namespace, policy and token")
    access.add_argument("--address", default="http://127.0.0.1:4646", help="Nomad's API")
    access.add_argument("--to", type=Path, required=True, help="folder of the tokens")
    access.add_argument("--pool", default="gpu")
    return parser


def write_files(wishes: argparse.Namespace) -> None:
    """Write the fragments of the role and the node's own file; install the device plugin on a client."""
    role = Role(wishes.role)
    is_client = role is Role.CLIENT
    node = Node(
        role,
        wishes.name,
        wishes.data_dir,
        address=wishes.address,
        bind="0.0.0.0",  # noqa: S104 - other machines of the private network, and forwarded ports
        interface=wishes.interface,
        servers=tuple(wishes.join),
        pool=wishes.pool,
        plugin_dir=wishes.plugin_dir if is_client else None,
        gpus=wishes.gpus,
        control=wishes.data_dir.parent / "gpus" if is_client else None,
    )
    wishes.to.mkdir(parents=True, exist_ok=True)
    for fragment in fragments(role):
        shutil.copyfile(fragment, wishes.to / fragment.name)
    (wishes.to / "node.hcl").write_text(make_node_file(node), encoding="utf-8")
    if is_client:
        from serai_gpu.config import parse_models
        from serai_gpu.install import install

        parse_models(wishes.gpus, "--gpus")
        install(wishes.plugin_dir)


def write_access(wishes: argparse.Namespace) -> None:
    """Set up rights and write the tokens. May be run again."""
    wishes.to.mkdir(mode=0o700, parents=True, exist_ok=True)
    access = set_up_access(Nomad(wishes.address), wishes.to, wishes.pool)
    sys.stdout.write(f"{access.management}\n{access.serai}\n")


if __name__ == "__main__":
    sys.exit(main())
