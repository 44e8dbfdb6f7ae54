"""Decision records are encoded for the store as they are explained."""

from __future__ import annotations

import json

import pytest

from otel_fe.pipeline.records import DecisionRecords
from tests.bench.fleet_cells import POLICIES, Cell
from tests.bench.fleet_traffic import requests
from tests.unit.collector.parts import PipelineBench


@pytest.mark.parametrize("policies", POLICIES)
def test_an_encoded_record_is_the_explained_one(policies):
    """An encoded record equals the explained one for every kind of policy, sampled or not, early or late."""
    bench = PipelineBench(Cell("split-0.5", policies, "store", "1w", "512", "paced").configuration(4317, 4318, 1.0))
    for request in requests(4_000, 50, 0.5):
        bench.take(request.payload)
        bench.clock.advance(0.01)
        bench.engine.tick()
    bench.clock.advance(5)
    bench.engine.tick()
    records = bench.engine.parts.sampled[0].sampler.records
    entries = records.entries(1_000)
    explained = [records.explain(entry).as_dict() for entry in entries]
    assert [json.loads(records.explain_json(entry)) for entry in entries] == explained
    assert {record["sampled"] for record in explained} == {True, False}
    assert len(explained) == 500
    if policies != "limits":
        assert any(record["later_spans"] for record in explained)


def test_texts_are_escaped():
    """A policy's name may hold anything."""
    from otel_fe.model.decision import Decision
    from otel_fe.model.vote import YES
    from otel_fe.pipeline.buffered_trace import BufferedTrace

    class Odd:
        name = '"odd" \\ \n ü'

        @staticmethod
        def describe(seen):
            return f'{seen!r} < "ä"'

    records = DecisionRecords([Odd()], 1)
    decision = Decision(sampled=True, reason=Odd.name, threshold=None)
    records.add(BufferedTrace(1 << 100, 0), 5, "shutdown", decision, (YES,))
    (entry,) = records.entries(1)
    assert json.loads(records.explain_json(entry)) == records.explain(entry).as_dict()
