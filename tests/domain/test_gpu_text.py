"""GPUs in a line: what each form means, and how what could mean two things is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.domain.errors import Invalid
from serai.domain.gpu_text import parse_gpu_text
from serai.domain.manifest import parse_manifest
from serai.domain.spec import Gpu

GIB = 2**30
READ = [
    ("2", Gpu(2)),
    ("0", Gpu(0)),
    ("gpu", Gpu(1)),
    ("any GPU", Gpu(1)),
    ("3 x gpus", Gpu(3)),
    ("H100", Gpu(1, "H100")),
    ("2 x H100", Gpu(2, "H100")),
    ("2x H100", Gpu(2, "H100")),
    ("2xH100", Gpu(2, "H100")),
    ("1 x 4090", Gpu(1, "4090")),
    ("A100|H100", Gpu(1, "A100|H100")),
    ("NVIDIA L4", Gpu(1, "NVIDIA L4")),
    (">= 40GiB", Gpu(1, "", 40 * GIB)),
    ("2 >=40 GiB", Gpu(2, "", 40 * GIB)),
    ("2 x H100 >= 79.5GiB", Gpu(2, "H100", int(79.5 * GIB))),
    ("nvidia/gpu", Gpu(1, device="nvidia/gpu")),
    ("2 x nvidia/gpu >= 20GB", Gpu(2, "", 20_000_000_000, "nvidia/gpu")),
    ("nvidia/gpu/NVIDIA A100-SXM4-40GB", Gpu(1, device="nvidia/gpu/NVIDIA A100-SXM4-40GB")),
]
REFUSED = [
    ("", "empty"),
    ("4090", "1 x 4090"),
    ("2 H100", "2 x H100"),
    ("2 x", "names no GPU"),
    ("40GiB", ">= 40GiB"),
    ("A100 80GB", ">= 80GB"),
    (">= 40", "unit"),
    ("H100 >= much", "unit"),
    ("H100 >= 40 GigaBytes", "not a size"),
    ("a//b", "nvidia/gpu"),
    ("/gpu", "nvidia/gpu"),
]


@pytest.mark.parametrize(("text", "gpu"), READ)
def test_a_line_is_read(text: str, gpu: Gpu) -> None:
    assert parse_gpu_text(text, "resources.gpu") == gpu


@pytest.mark.parametrize(("text", "part"), REFUSED)
def test_what_is_unclear_is_refused_with_the_way_out(text: str, part: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_gpu_text(text, "resources.gpu")
    assert part in caught.value.message
    assert caught.value.field == "resources.gpu"


@given(st.text(max_size=30))
def test_no_text_raises_anything_but_invalid(text: str) -> None:
    try:
        parse_manifest({"resources": {"gpu": text}}, "x")
    except Invalid as error:
        assert error.field == "resources.gpu"
