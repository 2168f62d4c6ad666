"""The OpenAPI document and the pages made of it are complete and fresh, and answers are what their shapes say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from serai.web.document import make_document
from serai.web.endpoint import Endpoint
from serai.web.reference import make_errors_page, make_rest_page
from serai.web.resources import RESOURCES, all_endpoints
from tests.web.installation import API, Installation

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize(("file", "page"), [("rest.md", make_rest_page), ("errors.md", make_errors_page)])
def test_the_reference_is_fresh(file: str, page: Any) -> None:
    assert (REFERENCE / file).read_text(encoding="utf-8") == page(), "run: python docs/generate.py"


def test_every_operation_has_words_and_says_its_problems() -> None:
    document = make_document(RESOURCES)
    assert document["openapi"] == "3.1.0"
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert len(operations) == len(all_endpoints())
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"].endswith(".")
        assert "500" in operation["responses"]
        for parameter in operation["parameters"]:
            assert parameter["description"], (operation["operationId"], parameter["name"])


def test_every_path_that_is_pinned_is_there() -> None:
    paths = set(make_document(RESOURCES)["paths"])
    below = {path.removeprefix(API) for path in paths}
    assert below >= {
        "/deployments",
        "/deployments/{name}",
        "/deployments/{name}/events",
        "/deployments/{name}/metrics/requests",
        "/deployments/{name}/metrics/system",
        "/deployments/{name}/versions/{number}",
        "/deployments/{name}/versions/{number}/start",
        "/deployments/{name}/versions/{number}/stop",
        "/deployments/{name}/versions/{number}/logs",
        "/bundles/{digest}",
        "/tokens",
        "/events",
        "/capacity",
        "/plugins",
        "/routes",
        "/telemetry",
        "/telemetry/spans",
        "/healthz",
    }


READS = [endpoint for endpoint in all_endpoints() if endpoint.method == "GET" and endpoint.answers[200] is not None]


# Questions without which there is no answer.
ASKED = {"compare_versions": "?versions=1,2"}


@pytest.mark.parametrize("endpoint", READS, ids=lambda endpoint: endpoint.name)
def test_answers_are_what_their_shape_says_and_nothing_more(installation: Installation, endpoint: Endpoint) -> None:
    installation.deploy(replicas=2, resources={"gpu": 1})
    if endpoint.name in ASKED:
        installation.deploy(image="model:2")
    installation.caller().post("/tokens", {"name": "x", "permissions": ["read"]})
    installation.caller().post("/keys", {"name": "x"})
    installation.caller().post("/users", {"login": "x"})
    installation.caller().put("/teams/m", {"members": ["x"]})
    installation.say("m", 1, "a line")
    path = (
        re.sub(r"<int:\w+>", "1", endpoint.rule)
        .replace("<name>", "m")
        .replace("<login>", "x")
        .replace("<trace_id>", 32 * "a")
    )
    who = "gateway" if endpoint.needs == "gateway" else "admin"
    client = installation.app.test_client()
    answer = client.get(path + ASKED.get(endpoint.name, ""), headers=installation.caller(who).headers)
    shape = endpoint.answers[200]
    assert shape is not None
    assert issubclass(shape, BaseModel)
    assert answer.json, "an empty answer shows nothing"
    shape.model_validate(answer.json, extra="forbid")
