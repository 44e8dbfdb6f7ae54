"""The corpus over the wire: spans that stay bytes get the same decisions and make the same metrics as plain ones."""

from __future__ import annotations

import pytest

from otel_fe.wire.decode import Decoder
from otel_fe.wire.encode import encode as encode_kept
from otel_fe.wire.metrics import encode_metrics
from tests.corpus import ours, recorded
from tests.corpus.all_cases import CASES
from tests.corpus.differences import REFUSED
from tests.corpus.wire import encode

DECODER = Decoder()
WITHOUT_IDS = ("shape/no_trace_id", "shape/no_span_id", "calls/no_trace_id_and_no_span_id")
"""The Collector takes spans without ids; OTLP calls them invalid, and `decode` rejects them."""


class WireBench(ours.CaseBench):
    """The engine of a case, fed with bytes."""

    def receive(self, batch, now_ns):
        self.clock.advance(ns=now_ns - self.clock.monotonic_ns())
        received = DECODER.decode(encode(batch))
        assert received.rejected == 0
        if self.connector is not None:
            self.connector.record(received.spans)
        for trace in received.traces:
            if self.sampler is not None:
                self.sampler.receive(trace.trace_id, trace.spans, trace.size_bytes, now_ns)
        received.release()

    def _tick(self, now_ns):
        super()._tick(now_ns)
        if self.connector is not None:
            encode_metrics(self.connector.collect())

    def _deliver(self, trace_id, spans, decision):
        assert sum(count for _, count in encode_kept([(spans, decision)])) == len(spans)
        return super()._deliver(trace_id, spans, decision)


def run(case, bench_type):
    """Return the outcome of a case, as `ours.run` does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ours, "CaseBench", bench_type)
        return ours.run(case)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.id not in {*REFUSED, *WITHOUT_IDS}], ids=lambda case: case.id
)
def test_the_answers_are_the_same(case):
    plain, wire = run(case, ours.CaseBench), run(case, WireBench)
    assert wire == plain, recorded.difference(wire, plain)


@pytest.mark.parametrize("case", [case for case in CASES if case.id in WITHOUT_IDS], ids=lambda case: case.id)
def test_spans_without_ids_are_rejected(case):
    assert DECODER.decode(encode(case.batches[0])).rejected > 0
