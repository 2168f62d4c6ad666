"""What can never run here is refused before it is stored."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from serai.domain.deployment import Deployment, Settings, Version
from serai.domain.errors import Invalid, NotFound, NotSupported, SchedulerUnavailable
from serai.domain.manifest import parse_manifest
from serai.plugin import PluginContext
from serai_nomad.job.admission import check_version
from serai_nomad.plugin import NomadPlugin
from serai_nomad.settings import NomadSettings
from tests.plugins.nomad_workloads import BUNDLE
from tests.ports import free_port

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def make_version(**manifest: object) -> Version:
    return Version("whisper", 7, parse_manifest({"bundle": BUNDLE, **manifest}, "whisper").spec, NOW)


def test_what_can_run_is_let_through() -> None:
    check_version(
        make_version(resources={"gpu": "2 x H100"}, placement={"constraints": ["distinct_hosts"]}), NomadSettings()
    )


def test_what_cannot_is_refused_by_its_field() -> None:
    with pytest.raises(Invalid) as caught:
        check_version(make_version(placement={"constraints": ["fast nodes please"]}), NomadSettings())
    assert caught.value.field == "placement.constraints[0]"
    with pytest.raises(NotSupported, match=r"plugin\.nomad\.drivers"):
        check_version(make_version(driver="raw_exec"), NomadSettings())


def test_only_the_scheduler_in_use_has_a_say(tmp_path: Path) -> None:
    def refuse(digest: str) -> Path:
        raise NotFound(digest)

    plugin, bad = NomadPlugin(), make_version(driver="raw_exec")
    deployment = Deployment("whisper", "alice", Settings(), NOW, NOW)
    plugin.serai_admit(deployment, bad)
    settings = {"address": f"http://127.0.0.1:{free_port()}"}
    with closing(plugin.serai_register_scheduler(PluginContext(tmp_path, settings, refuse, ""))) as scheduler:
        plugin.serai_admit(deployment, bad)
        with pytest.raises(SchedulerUnavailable):
            scheduler.observe()
        with pytest.raises(NotSupported):
            plugin.serai_admit(deployment, bad)
