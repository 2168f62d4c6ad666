"""Manifests: what is read, what is refused and how the refusal reads, and that specs survive being written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.domain.deployment import Access, HandoverMode, Settings
from serai.domain.errors import Invalid
from serai.domain.manifest import parse_manifest, parse_settings
from serai.domain.quantity import Cpu
from serai.domain.spec import Affinity, CheckKind, Gpu, Spec, Spread
from serai.domain.spec_text import decode_spec, digest_spec, dump_settings, dump_spec, encode_spec

FULL = {
    "name": "digits",
    "command": "./start.sh",
    "image": "registry/name:tag",
    "replicas": 2,
    "port": 8000,
    "env": {"LOG_LEVEL": "info", "THREADS": 2, "DEBUG": True},
    "secrets": {"HF_TOKEN": "{{ ask }}"},
    "resources": {"cpu": 2, "memory": "4GiB", "gpu": {"count": 1, "model": "A100|H100", "memory": ">=40GiB"}},
    "health": {"http": "/healthz", "interval": "2s", "timeout": "1s"},
    "start_timeout": "10m",
    "start_attempts": 3,
    "queue_timeout": 0,
    "drain_timeout": "30s",
    "handover": "auto",
    "access": "public",
    "scaling": {"min": 0, "max": 4, "concurrency": 8, "idle": "10m"},
    "timeouts": {"connect": "1s", "first_byte": "60s", "idle": "60s", "total": 0},
    "placement": {"pool": "gpu", "datacenters": ["*"], "constraints": ["${node.class} = a100"]},
    "mounts": [{"volume": "weights", "path": "/models", "read_only": True}],
}
LATER = {
    "resources": {
        "memory": "1GiB",
        "memory_max": "2GiB",
        "disk": "10GiB",
        "gpu": {"count": 2, "device": "nvidia/gpu/NVIDIA L4"},
    },
    "placement": {
        "affinities": ["${node.class} = a100", {"match": "${attr.cpu.arch} = arm64", "weight": -20}],
        "spread": ["${node.unique.id}", {"attribute": "${meta.rack}", "weight": 100}],
    },
    "driver": "podman",
}


def test_every_key_of_the_pinned_manifest_is_read() -> None:
    manifest = parse_manifest(FULL)
    spec = manifest.spec
    assert manifest.name == "digits"
    assert manifest.given == FULL.keys()
    assert manifest.secrets == {"HF_TOKEN": "{{ ask }}"}
    assert spec.secrets == {}
    assert spec.env == {"DEBUG": "true", "LOG_LEVEL": "info", "THREADS": "2"}
    assert spec.resources.cpu == Cpu(cores=2)
    assert spec.resources.gpu == Gpu(1, "A100|H100", 40 * 2**30)
    assert (spec.health.kind, spec.health.path) == (CheckKind.HTTP, "/healthz")
    assert (spec.start_timeout_s, spec.port) == (600, 8000)
    assert manifest.settings == Settings(2, Access.PUBLIC, HandoverMode.AUTO, manifest.settings.scaling)
    assert manifest.settings.scaling.max_replicas == 4


# change to a good manifest -> the field that is named, a part of the sentence
REFUSED = [
    ({"replcas": 2}, "replcas", "did you mean 'replicas'?"),
    ({"helth": {}}, "helth", "did you mean 'health'?"),
    ({"health": {"htp": "/"}}, "health.htp", "did you mean"),
    ({"zzz": 1}, "zzz", "known are"),
    ({"name": "Big Name"}, "name", "'big-name'"),
    ({"replicas": -1}, "replicas", "-1"),
    ({"replicas": True}, "replicas", "True"),
    ({"replicas": "2"}, "replicas", "whole number"),
    ({"port": 70000}, "port", "65535"),
    ({"start_timeout": "10 minutes"}, "start_timeout", "10m"),
    ({"start_timeout": 0}, "start_timeout", "50ms"),
    ({"resources": {"memory": "4 gigs"}}, "resources.memory", "4GiB"),
    ({"resources": {"cpu": "two"}}, "resources.cpu", "1500MHz"),
    ({"resources": {"gpu": {"model": "("}}}, "resources.gpu.model", "regular expression"),
    ({"resources": {"memory": "2GiB", "memory_max": "1GiB"}}, "resources.memory_max", "less than the 2 GiB"),
    ({"resources": {"gpu": {"device": "a/b/c/d\n"}}}, "resources.gpu.device", "nvidia/gpu"),
    ({"resources": {"gpu": "H100|("}}, "resources.gpu", "regular expression"),
    ({"driver": "Docker!"}, "driver", "docker or exec"),
    ({"placement": {"affinities": [{"weight": 5}]}}, "placement.affinities[0]", "needs match"),
    ({"placement": {"affinities": [{"match": "a = b", "weight": 0}]}}, "placement.affinities[0].weight", "leave it"),
    ({"placement": {"spread": [{"attribute": "a", "weight": -1}]}}, "placement.spread[0].weight", "from 1 to 100"),
    ({"placement": {"spread": "a"}}, "placement.spread", "list"),
    ({"health": {"http": "healthz"}}, "health.http", "begins with /"),
    ({"health": {"http": "/", "tcp": True}}, "health", "not both"),
    ({"env": {"PORT": 1}}, "env.PORT", "set by Serai"),
    ({"env": {"A B": 1}}, "env.A B", "environment variable"),
    ({"env": ["A=1"]}, "env", "mapping"),
    ({"handover": "blue-green"}, "handover", "overlap"),
    ({"scaling": {"min": 5, "max": 2}}, "scaling.min", "above max"),
    ({"command": []}, "command", "empty"),
    ({"command": "  "}, "command", "empty"),
    ({"bundle": "latest"}, "bundle", "sha256"),
    ({"mounts": [{"path": "/m"}]}, "mounts[0]", "volume"),
    ({"env": {"A": "\ud800"}}, "env.A", "Unicode"),
]


@pytest.mark.parametrize(("change", "field", "part"), REFUSED)
def test_a_bad_value_is_refused_by_name_with_the_way_out(change: dict[str, object], field: str, part: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_manifest({"name": "digits"} | change)
    assert caught.value.field == field
    assert part in caught.value.message


@pytest.mark.parametrize("values", [None, [], "text", 3])
def test_a_manifest_is_a_mapping(values: object) -> None:
    with pytest.raises(Invalid, match="mapping"):
        parse_manifest(values)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(FULL)), inner, max_size=4),
        max_leaves=12,
    )
)
def test_no_input_raises_anything_but_invalid(values: object) -> None:
    try:
        parse_manifest(values, "x")
    except Invalid as error:
        assert error.message


def test_keys_that_came_later_are_read() -> None:
    spec = parse_manifest(LATER, "x").spec
    assert (spec.resources.memory_max_bytes, spec.resources.disk_bytes) == (2 * 2**30, 10 * 2**30)
    assert spec.resources.memory_limit_bytes == 2 * 2**30
    assert spec.resources.gpu == Gpu(2, device="nvidia/gpu/NVIDIA L4")
    assert spec.placement.affinities == (Affinity("${node.class} = a100"), Affinity("${attr.cpu.arch} = arm64", -20))
    assert spec.placement.spread == (Spread("${node.unique.id}"), Spread("${meta.rack}", 100))
    assert spec.driver == "podman"


def test_the_digest_of_what_an_earlier_release_wrote_stays() -> None:
    assert digest_spec(Spec()) == "837980f268fe67b389248395feef1383fc82f81deb9e5323ed3076dc33ed9863"
    assert digest_spec(parse_manifest(FULL).spec) == "287dc15b50d8a4668866fd5a49fc2d96431080929ff7e11051d99494a5ed29fb"


@pytest.mark.parametrize("values", [FULL, LATER])
def test_a_spec_survives_being_written(values: dict[str, object]) -> None:
    spec = parse_manifest(values, "x").spec
    assert decode_spec(encode_spec(spec)) == spec
    again = parse_manifest({key: value for key, value in dump_spec(spec).items() if key != "secrets"}, "x")
    assert again.spec == spec


def test_the_digest_covers_secrets_and_never_the_count() -> None:
    one, other = Spec(secrets={"A": "1"}), Spec(secrets={"A": "2"})
    assert digest_spec(one) != digest_spec(other)
    assert digest_spec(parse_manifest(FULL).spec) == digest_spec(parse_manifest(FULL | {"replicas": 9}).spec)


def test_settings_change_one_at_a_time() -> None:
    base = parse_manifest(FULL).settings
    assert parse_settings({"count": 5}, base).count == 5
    changed = parse_settings({"timeouts": {"total": "1h"}}, base)
    assert (changed.timeouts.total_s, changed.timeouts.first_byte_s, changed.count) == (3600, 60, 2)
    assert parse_settings(dump_settings(changed), Settings()) == changed
    with pytest.raises(Invalid, match="same thing"):
        parse_settings({"count": 1, "replicas": 2}, base)
