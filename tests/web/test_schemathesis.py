"""schemathesis calls every operation by the document, with what it allows and with what it forbids, and judges all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from serai.plugin import Credentials, Identity, Permission, hookimpl
from serai.web.app import edge_of

from tests.web.installation import Installation, make_bundle

TOKEN = "of-schemathesis"
CONFIG = SchemathesisConfig.from_dict(
    {
        "seed": 1,
        "generation": {"max-examples": 12, "deterministic": True, "no-shrink": True},
    }
)


class OneToken:
    """Knows a token that no call can revoke."""

    @hookimpl
    def serai_authenticate(self, credentials: Credentials) -> Identity | None:
        return Identity("schemathesis", frozenset(Permission)) if credentials.token == TOKEN else None


@pytest.fixture(scope="module")
def api_schema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    installation = Installation(tmp_path_factory.mktemp("schemathesis") / "data", plugins={"one-token": OneToken()})
    installation.deploy("digits", image="model:1")
    installation.deploy("digits", image="model:2")
    installation.say("digits", 2, "one", "two", "three")
    digest, packed = make_bundle(**{"start.sh": "echo"})
    installation.caller().put(f"/bundles/{digest}", packed)
    edge_of(installation.app).waiting.close()  # nothing is held: streams end after what there is
    yield schemathesis.openapi.from_wsgi("/openapi.json", installation.app, config=CONFIG)
    installation.close()


schema = schemathesis.pytest.from_fixture("api_schema")


@schema.parametrize()
def test_the_api_is_what_its_document_says(case: schemathesis.Case) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"})
