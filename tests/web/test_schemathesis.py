"""schemathesis calls every operation over HTTP, with what the document allows and what it forbids, and judges all."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from serai.plugin import Credentials, Identity, Permission, hookimpl
from serai.web.app import edge_of
from serai_apikey.plugin import ApiKeyPlugin
from serai_prometheus.plugin import PrometheusPlugin
from tests.web.installation import Installation, make_bundle
from tests.web.served import served

TOKEN = "of-schemathesis"
CONFIG = {
    "seed": 1,
    "headers": {"Authorization": f"Bearer {TOKEN}"},
    "generation": {"max-examples": 3, "deterministic": True, "no-shrink": True},
}
# What no schema can say: why a body that is well formed may still be refused with 422.
SENSIBLE_REFUSALS = re.compile(
    r"the bundle arrived damaged"
    r"|they have to be the same"  # the name in the path and in the manifest
    r"|the range ends .* before it starts"
    r"|the range has \d+ buckets"
    r"|compared with another one, not with itself"
    r"|min \d+ is above max \d+"
    r"|is less than the .* of memory"
    r"|is not a regular expression"
    r"|password: "  # the login itself, or no text
    r"|there is no (account|team)"
    r"|\* stands alone and without credentials"
    r"|has a meaning of its own"  # a header that is to carry keys
    r"|is too long; (callers wait|browsers keep)"  # of durations as text
    r"|has impossible figures"
    r"|there is no deployment"  # that a key is to open
    r"|give at most 30d"  # the overlap of a rotation
)


class Everything:
    """Knows a token that no call can revoke."""

    @hookimpl
    def serai_authenticate(self, credentials: Credentials) -> Identity | None:
        return Identity("schemathesis", frozenset(Permission)) if credentials.token == TOKEN else None


@pytest.fixture
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    plugins = {"everything": Everything(), "apikey": ApiKeyPlugin(), "prometheus": PrometheusPlugin()}
    installation = Installation(tmp_path_factory.mktemp("schemathesis") / "data", plugins=plugins)
    installation.deploy("digits", image="model:1")
    installation.deploy("digits", image="model:2")
    installation.caller().post("/keys", {"name": "of schemathesis", "owner": "schemathesis"})
    installation.say("digits", 2, "one", "two", "three")
    digest, packed = make_bundle(**{"start.sh": "echo"})
    installation.caller().put(f"/bundles/{digest}", packed)
    edge_of(installation.app).waiting.close()  # nothing is held: streams end after what there is
    with served(installation.app) as url:
        yield url
    installation.close()


def judge(event: events.ScenarioFinished) -> Iterator[str]:
    """Yield what was found in a scenario, one finding a line."""
    for id, checks in event.recorder.checks.items():
        interaction = event.recorder.interactions.get(id)
        response = interaction.response if interaction else None
        answer = response.content.decode(errors="replace") if response else ""
        for check in checks:
            if check.failure_info is None:
                continue
            if check.name == "positive_data_acceptance" and SENSIBLE_REFUSALS.search(answer):
                continue
            yield f"{check.name}: {check.failure_info.failure.message}\n{check.failure_info.code_sample}\n{answer}"


@pytest.mark.slow
@pytest.mark.timeout(600)  # half a minute on a quiet machine
def test_schemathesis_finds_nothing(address: str) -> None:
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json", config=SchemathesisConfig.from_dict(CONFIG))
    findings: list[str] = []
    cases, operations = 0, set()
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            findings.append(repr(vars(event) if hasattr(event, "__dict__") else getattr(event, "value", event)))
        if isinstance(event, events.ScenarioFinished):
            findings += judge(event)
            cases += len(event.recorder.cases)
            operations.add(event.label)
    assert not findings, "\n\n".join(findings)
    assert cases > 800
    assert len(operations) > 25
