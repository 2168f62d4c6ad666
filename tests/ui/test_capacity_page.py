"""The page of machines and GPUs, as the application answers it; how it looks is tried with every other page."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from serai.domain.errors import SchedulerUnavailable
from serai.domain.observation import Fit, NodeCapacity, Verdict
from serai.domain.reasons import make_reason
from serai.plugin.testing.fakes import FakeScheduler
from tests.ui.stage import Stage
from tests.ui.test_signing_in import csrf_of, sign_in


@pytest.fixture
def client(closed: Stage) -> FlaskClient:
    return sign_in(closed)


def words_of(page: str) -> str:
    """Return the text of the main part, without tags."""
    main = page.partition("<main")[2].partition("</main>")[0]
    return " ".join("".join(part.partition(">")[2] + " " for part in main.split("<")).split())


def test_gpus_are_summed_by_model_and_named_by_holder(client: FlaskClient) -> None:
    words = words_of(client.get("/capacity").text)
    assert "A100 80 GiB 4 1 3 0 0" in words
    assert "L4 24 GiB 2 0 0 1 1" in words
    assert "chat-llm-v2 A100 80 GiB" in words
    assert "chat-llm-v3 unhealthy L4 24 GiB fell off the bus" in words
    assert "gpu-02 being drained" in words
    assert 'href="/d/chat-llm"' in client.get("/capacity").text


def test_a_pool_can_be_chosen(client: FlaskClient) -> None:
    words = words_of(client.get("/capacity?pool=default").text)
    assert "cpu-01" in words
    assert "gpu-01" not in words
    assert "A100" not in words
    assert "The pool nowhere has no machine." in words_of(client.get("/capacity?pool=nowhere").text)


def test_one_pool_needs_no_choice(closed: Stage, client: FlaskClient) -> None:
    closed.scheduler.capacity = lambda: [NodeCapacity("laptop", 8.0, 0.0, 2**34, 0)]  # type: ignore[method-assign]
    page = client.get("/capacity").text
    assert "Node pools" not in page
    assert "laptop" in page


def test_what_cannot_be_read_is_said(closed: Stage, client: FlaskClient) -> None:
    def fail() -> list[NodeCapacity]:
        raise SchedulerUnavailable("no agent answers at http://127.0.0.1:4646")

    closed.scheduler.capacity = fail  # type: ignore[method-assign]
    assert "no agent answers" in words_of(client.get("/capacity").text)


@pytest.mark.parametrize(
    ("fit", "said"),
    [
        (
            Fit(Verdict.NOW, 2, nodes=tuple("abcdefg")),
            "It fits now. 2 replicas could start at once on a, b, c, d, e or 2 more.",
        ),
        (
            Fit(Verdict.LATER, 0, make_reason("gpu-taken", "x-v1 holds it.")),
            "It does not fit right now. No replica could start at once. x-v1 holds it.",
        ),
        (
            Fit(Verdict.NEVER, 1, make_reason("gpu-missing", "There is one.")),
            "It can never fit here. 1 replica could start at once. There is one.",
        ),
    ],
)
def test_the_form_says_whether_it_fits(closed: Stage, client: FlaskClient, fit: Fit, said: str) -> None:
    closed.scheduler.fit = lambda workload, freeing=(): fit  # type: ignore[method-assign]
    form = {"csrf": csrf_of(client), "name": "digits", "manifest": "replicas: 2", "source": "image", "image": "x/y:1"}
    answer = client.post("/new", data=form | {"action": "check"})
    assert answer.status_code == 200
    assert said in words_of(answer.text)
    assert isinstance(closed.scheduler, FakeScheduler)
    assert not closed.scheduler.observe(), "checking starts nothing"


def test_each_machine_says_who_has_it_and_how_much_they_use(closed: Stage, client: FlaskClient) -> None:
    closed.deploy("digits", replicas=2, resources={"cpu": 2, "memory": "1GiB"})
    closed.deploy("bare", replicas=1)
    closed.scheduler.gpus["chat-llm-v1"] = 1
    closed.deploy("chat-llm", replicas=1, resources={"cpu": "1500MHz", "memory": "64GiB", "gpu": {"count": 1}})
    closed.tick()
    words = words_of(client.get("/capacity").text)
    assert "Taken by Replicas CPU each Memory each Used together" in words
    assert "digits v1 2 2 cores 1 GiB 1.71 cores, 5.7 GiB" in words
    assert "bare v1 1 – – 0.98 cores, 2.1 GiB" in words
    assert "chat-llm v1 1 1,500 MHz 64 GiB" in words
    assert "No replica of ours runs here. Others hold 4 cores and 12 GiB." in words  # gpu-02
    assert "Others hold 237 GiB." in words  # gpu-01: 301 promised, 64 of them to chat-llm; its cores are not known
    assert 'href="/d/digits/versions/1"' in client.get("/capacity").text
