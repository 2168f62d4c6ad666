"""Which requests leave a span, and what it says: the same of every engine."""

from __future__ import annotations

from aiohttp import web

from tests.gateway.bench import Bench, at, soon, values
from tests.gateway.engine_contract import EngineFixture, scenario

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def asking(flags: str) -> dict[str, str]:
    return {"traceparent": f"00-{TRACE}-{PARENT}-{flags}"}


async def told(bench: Bench, path: str = "/m/", **more: object) -> list[str]:
    """Call the echoing model, and return trace, span and flags as it was told them."""
    reply = await bench.call(path, **more)  # type: ignore[arg-type]
    (parent,) = values(reply.json()["headers"], "traceparent")
    return str(parent).split("-")[1:]


class CallersContract(EngineFixture):
    """None of the traces that begin here is sampled."""

    trace_share = 0.0

    @scenario
    async def test_a_caller_that_samples_gets_a_span(self, bench: Bench) -> None:
        model = await bench.serve()
        _, span_id, flags = await told(bench, "/m/a%20b,c;d%2Fe?secret=1", method="POST", headers=asking("01"))
        record = await bench.record()
        await soon(lambda: self.spans)
        [span] = self.spans
        assert (span.trace_id, span.span_id, span.parent_id, flags) == (TRACE, span_id, PARENT, "01")
        assert (span.method, span.path, span.scheme, span.protocol) == ("POST", "/m/a%20b,c;d%2Fe", "http", "1.1")
        assert (span.deployment, span.version, span.replica, span.status) == ("m", 1, at(model).replica, 200)
        assert (span.total_s, span.first_byte_s, span.queue_s) == (record.total_s, record.first_byte_s, record.queue_s)
        assert (span.bytes_in, span.bytes_out) == (record.bytes_in, record.bytes_out)
        assert abs(span.started_at + span.total_s - record.at) < 0.001

    @scenario
    async def test_a_caller_that_does_not_and_no_caller_at_all_get_none(self, bench: Bench) -> None:
        await bench.serve()
        assert (await told(bench, headers=asking("00")))[2] == "00"
        assert (await told(bench, headers={"traceparent": "nonsense"}))[2] == "00"
        assert (await told(bench))[2] == "00"
        await told(bench, headers=asking("03"))  # flags that nobody knows yet, and sampled
        await bench.record(4)
        await soon(lambda: self.spans)
        assert [span.trace_id for span in self.spans] == [TRACE]

    @scenario
    async def test_there_is_one_whatever_becomes_of_the_request(self, bench: Bench) -> None:
        async def break_off(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        await bench.serve(break_off)
        assert (await bench.call("/m/x", headers=asking("01"), method="POST")).status == 502
        await bench.route(name="empty", version=None)
        assert (await bench.call("/empty/", headers=asking("01"))).status == 503
        assert (await bench.call("/nobody/", headers=asking("01"))).status == 404
        await bench.record(2)
        await soon(lambda: len(self.spans) == 2)
        assert {(span.deployment, span.status, span.path) for span in self.spans} == {
            ("m", 502, "/m/x"),
            ("empty", 503, "/empty/"),
        }

    @scenario
    async def test_a_request_by_host_or_for_a_version_has_one_too(self, bench: Bench) -> None:
        await bench.serve()
        await bench.call("/x", headers={"Host": "m.models.test", **asking("01")})
        await bench.call("/m/y", headers={"X-Serai-Version": "1", **asking("01")})
        await bench.record(2)
        await soon(lambda: len(self.spans) == 2)
        assert [(span.deployment, span.path, span.version) for span in self.spans] == [("m", "/x", 1), ("m", "/m/y", 1)]

    @scenario
    async def test_a_path_is_cut(self, bench: Bench) -> None:
        await bench.serve()
        await bench.call("/m/" + "ä" * 400, headers=asking("01"))
        await bench.record()
        await soon(lambda: self.spans)
        assert len(self.spans[0].path) == 512 and self.spans[0].path.startswith("/m/%C3%A4")


class EveryContract(EngineFixture):
    """All traces that begin here are sampled."""

    trace_share = 1.0

    @scenario
    async def test_every_request_has_its_span(self, bench: Bench) -> None:
        await bench.serve()
        seen = [await told(bench, f"/m/{number}") for number in range(5)]
        assert {flags for _, _, flags in seen} == {"01"}
        await told(bench, headers=asking("00"))  # a caller's word counts
        await bench.record(6)
        await soon(lambda: len(self.spans) == 5)
        assert [(span.trace_id, span.span_id) for span in self.spans] == [(trace, id) for trace, id, _ in seen]
        assert {span.parent_id for span in self.spans} == {""}
        assert [span.path for span in self.spans] == [f"/m/{number}" for number in range(5)]


class SomeContract(EngineFixture):
    """Every second trace that begins here is sampled."""

    trace_share = 0.5

    @scenario
    async def test_models_are_told_what_is_kept(self, bench: Bench) -> None:
        await bench.serve()
        seen = [await told(bench) for _ in range(200)]
        sampled = {trace for trace, _, flags in seen if flags == "01"}
        assert 60 < len(sampled) < 140  # six standard deviations
        assert {flags for _, _, flags in seen} == {"00", "01"}
        await bench.record(200)
        await soon(lambda: len(self.spans) == len(sampled))
        assert {span.trace_id for span in self.spans} == sampled


class NoneContract(EngineFixture):
    """Spans are not kept here: what models do about them is not changed."""

    @scenario
    async def test_new_traces_are_passed_on_as_sampled(self, bench: Bench) -> None:
        await bench.serve()
        assert (await told(bench))[2] == "01"
        await bench.record()
        assert self.spans == []
