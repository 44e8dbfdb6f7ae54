"""Decisions are stored packed, and explained when they are read, as they would have been explained at once."""

from __future__ import annotations

import contextlib
import json
import sqlite3

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from otel_fe import compiled
from otel_fe.collector.decision_request import in_words
from otel_fe.collector.reload import transfer_state
from otel_fe.collector.store_sink import StoreSink
from otel_fe.collector.stored_decisions import stored_record
from otel_fe.model.vote import KINDS
from otel_fe.pipeline.packed_decisions import MARK, POLICIES_UNKNOWN, explained_record
from otel_fe.pipeline.upstream import Upstream, with_upstream
from otel_fe.store import Store
from otel_fe.store.database import FILE_NAME
from otel_fe.testing import FakeClock
from tests.bench.fleet_cells import POLICIES, Cell
from tests.bench.fleet_traffic import requests
from tests.unit.collector.parts import PipelineBench
from tests.unit.store.parts import NS, T0

FAILING = """
      - name: faulty
        type: ottl_condition
        ottl_condition: {error_mode: propagate, span: ['attributes["db.system"] * 2 > 1']}
      - {name: share, type: probabilistic, probabilistic: {sampling_percentage: 20}}"""
MANY_KINDS = """
      - name: noise
        type: drop
        drop:
          drop_sub_policy:
            - {name: short, type: latency, latency: {threshold_ms: 1, upper_threshold_ms: 30}}
            - {name: some, type: probabilistic, probabilistic: {sampling_percentage: 30, hash_salt: salty}}
      - {name: counted, type: span_count, span_count: {min_spans: 9}}
      - {name: flagged, type: trace_flags}
      - {name: stated, type: trace_state, trace_state: {key: vendor, values: [a, b]}}
      - {name: text, type: string_attribute, string_attribute: {key: db.system, values: ["^post.*"], enabled_regex_matching: true}}
      - name: not gold
        type: not
        not: {not_sub_policy: {name: gold, type: string_attribute, string_attribute: {key: user.tier, values: [gold]}}}
      - {name: not refused, type: numeric_attribute, numeric_attribute: {key: http.response.status_code, min_value: 1, max_value: 499, invert_match: true}}
      - name: event
        type: ottl_condition
        ottl_condition: {error_mode: ignore, spanevent: ['name == "exception"'], span: ['name == "nothing"']}"""
BYTES = """
      - {name: bytes, type: bytes_limiting, bytes_limiting: {bytes_per_second: 200000}}
      - {name: failed, type: status_code, status_code: {status_codes: [ERROR]}}"""
NESTED = """
      - name: outer
        type: composite
        composite:
          max_total_spans_per_second: 2000
          policy_order: [limited, rest]
          composite_sub_policy:
            - {name: limited, type: rate_limiting, rate_limiting: {spans_per_second: 300}}
            - {name: rest, type: always_sample}
          rate_allocation: [{policy: limited, percent: 50}, {policy: rest, percent: 25}]"""
MANY = "".join(
    f"""
      - name: rule {number}
        type: and
        and:
          and_sub_policy:
            - {{name: where, type: string_attribute, string_attribute: {{key: db.system, values: [redis, none{number}]}}}}
            - {{name: slow, type: latency, latency: {{threshold_ms: {10 + number}, upper_threshold_ms: 9000}}}}"""
    for number in range(50)
)
CASES = POLICIES | {"failing": FAILING, "kinds": MANY_KINDS, "bytes": BYTES, "nested": NESTED, "many": MANY}
ALWAYS_EXPLAINED_AT_ONCE = {"failing"}
"""Why a policy failed, only the deciding process knows."""


def text_of(case, *, first_match=False):
    """Return a configuration with the policies of a case."""
    text = Cell("split-0.5", "rules", "store", "1w", "512", "paced").configuration(4317, 4318, 1.0)
    text = text.replace(POLICIES["rules"], CASES[case])
    return text.replace("    policies:", "    sample_on_first_match: true\n    policies:") if first_match else text


def stated(payload, number):
    """Return a request of which every third trace was sampled before, in a process or by a head sampler."""
    data = TracesData.FromString(payload)
    for of_resource in data.resource_spans:
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                if span.trace_id[-1] % 3 == 0:
                    span.trace_state = (
                        "ot=th:8" if number % 2 else f"vendor=a,ot=th:c;rv:{span.trace_id[::-1][:7].hex()}"
                    )
    return data.SerializeToString()


class Chain:
    """A collector's engine with a store."""

    def __init__(self, directory, text):
        self.clock = FakeClock(T0)
        self.directory = directory
        self.store = Store(directory, None, self.clock)
        self.sink = StoreSink(self.store, self.store.counters, self.clock)
        self.use(text)
        self.eager = {}
        """What each decision was explained as when it was stored, by the trace's id."""

    def use(self, text):
        """Begin with a configuration, or reload it."""
        before = self.bench.engine if hasattr(self, "bench") else None
        self.bench = PipelineBench(text, self.clock, before=None if before is None else before.parts)
        if before is not None:
            transfer_state(self.bench.engine.parts, before)
        self.sink.observe(self.bench.engine.parts)

    def run(self, spans=4_000, seed=1):
        """Decide traffic, and store it."""
        noted = []
        pipeline = self.bench.engine.parts.sampled[0]
        pipeline.on_kept.append(lambda trace_id, *_: noted.append(trace_id))
        for number, request in enumerate(requests(spans, 50, 0.5, seed)):
            self.bench.take(stated(request.payload, number))
            self.clock.advance(0.01)
            self.bench.engine.tick()
            if number % 20 == 0:
                self.store_now()
        self.clock.advance(5)
        self.bench.engine.tick()
        self.store_now()
        return set(noted)

    def store_now(self):
        """Store what there is, and note how it would be explained at once."""
        pipeline = self.bench.engine.parts.sampled[0]
        records = pipeline.sampler.records
        for entry in records.entries(10_000):
            record = records.explain(entry)
            if record.trace_id not in self.eager:
                found, before = record.as_dict(), pipeline.upstream.of(record.trace_id)
                self.eager[record.trace_id] = (
                    with_upstream(found, before) if before and record.decision.sampled else found
                )
        self.sink.work(self.bench.engine, records=10_000, at_once=True)

    def close(self):
        assert self.store.close()
        assert not self.store.counters.lost


@pytest.mark.parametrize("first_match", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_a_stored_decision_is_explained_as_it_would_have_been_at_once(tmp_path, case, first_match):
    """The file alone gives the explanation that was given at once, for every policy, kept or not, sampled before or not."""
    chain = Chain(tmp_path, text_of(case, first_match=first_match))
    kept = chain.run()
    chain.close()
    assert len(chain.eager) == 500
    assert 0 < len(kept) < 500 or case == "kinds"
    read = {trace_id: stored_record(trace_id, tmp_path) for trace_id in chain.eager}
    assert read == chain.eager
    assert {record["sampled"] for record in read.values()} == {trace_id in kept for trace_id in read}
    assert any("upstream" in record for record in read.values())
    assert [in_words({"state": "decided", "record": read[trace_id]}) for trace_id in sorted(read)] == [
        in_words({"state": "decided", "record": chain.eager[trace_id]}) for trace_id in sorted(read)
    ]


@pytest.mark.skipif(compiled.backend is None, reason="plain samplers pack nothing")
@pytest.mark.parametrize("case", CASES)
def test_decisions_are_stored_packed(case):
    """Nothing is explained on the way into the store, unless only the deciding process can."""
    bench = PipelineBench(text_of(case), FakeClock(T0))
    for request in requests(2_000, 50, 0.5):
        bench.take(request.payload)
    bench.clock.advance(5)
    bench.engine.tick()
    records = bench.engine.parts.sampled[0].sampler.records
    votes = set()
    for entry in records.entries(1_000):
        stored, record = records.stored(entry), records.explain(entry).as_dict()
        votes |= {vote["vote"] for vote in record["votes"]}
        if stored.startswith(MARK):
            assert explained_record(stored, records.stored_form.description) == record
        else:
            assert case in ALWAYS_EXPLAINED_AT_ONCE
            assert json.loads(stored) == record
    assert votes <= set(KINDS)
    assert ("failed" in votes) == (case == "failing")


def test_decisions_are_explained_by_the_policies_that_made_them(tmp_path):
    """After a reload, and in a process that has never seen the policies: those before explain what they decided."""
    chain = Chain(tmp_path, text_of("rules"))
    chain.run(1_000, 1)
    for seed, case in enumerate(("ottl", "limits", "kinds", "rules"), 2):
        chain.use(text_of(case))
        chain.run(1_000, seed)
    chain.close()
    assert len(chain.eager) == 625
    assert {trace_id: stored_record(trace_id, tmp_path) for trace_id in chain.eager} == chain.eager
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as file:
        stored = file.execute("SELECT seen_s FROM policies").fetchall()
    assert len(stored) == (0 if compiled.backend is None else 4)
    assert all(abs(seen_s - T0 // NS) < 60 for (seen_s,) in stored)


@pytest.mark.skipif(compiled.backend is None, reason="plain samplers pack nothing")
@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM policies",
        """UPDATE policies SET description = replace(CAST(description AS TEXT), '"latency"', '"of a later version"')""",
        "UPDATE policies SET description = 'no JSON'",
        """UPDATE policies SET description = replace(CAST(description AS TEXT), '"format":1', '"format":99')""",
    ],
)
def test_a_decision_by_unknown_policies_is_read_without_their_votes(tmp_path, damage):
    """The decision's own fields are shown; the votes are absent, and the text says so."""
    chain = Chain(tmp_path, text_of("rules"))
    kept = chain.run(1_000)
    chain.close()
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as file:
        file.execute(damage)
        file.commit()
    for trace_id, eager in chain.eager.items():
        found = stored_record(trace_id, tmp_path)
        assert found["outcome"] == POLICIES_UNKNOWN
        assert found["votes"] == []
        for name in (
            "trace_id",
            "time_unix_nano",
            "trigger",
            "spans",
            "duration_ns",
            "later_spans",
            "later_errors",
            "sampled",
        ):
            assert found[name] == eager[name]
        if trace_id in kept:
            assert (found["policy"], found["weight"]) == (eager["policy"], eager["weight"])
        assert "no policy was asked" not in in_words({"state": "decided", "record": found})


def test_samplers_before_are_stored_with_a_decision_that_is_json():
    """A decision that was explained at once says who sampled the trace before, as a packed one does."""
    from otel_fe.pipeline.packed_decisions import with_samplers_before

    record = {"policy": "slow", "weight": 1.0, "outcome": "kept by slow, weight 1"}
    upstream = Upstream(1 << 55, "share")
    assert json.loads(with_samplers_before(json.dumps(record).encode(), upstream)) == with_upstream(record, upstream)


SAVED_POLICIES = (
    b'{"format":1,"order":"little","pools":0,"first_match":false,"policies":[{"type":"status_code","name":"failed",'
    b'"status_codes":{"any_of":[2]}},{"type":"latency","name":"slow","threshold_ms":99,"upper_threshold_ms":0},{"type":'
    b'"ottl_condition","name":"get","span":[{"condition":"name == \\"SELECT\\"","context":"span"},{"condition":'
    b'"name == \\"GET\\"","context":"span"}],"span_event":[],"error_mode":"silent"}]}'
)
SAVED_DECISION = bytes.fromhex(
    "01aabbccddeeff00110200000001000000"  # mark, fingerprint, 2 later spans, 1 of them an error
    "efcdab89674523011032547698badcfe"  # the trace's id
    "00ca8d5f845bd71800ab8365845bd718"  # start, end
    "01000000000000000101000000000000"  # statuses, flags
    "0800000000000000f00f000000000000"  # spans, bytes
    "f30f00000000000000d8b466845bd718"  # bytes as a message, time of the decision
    "01000000000000000100000000000000"  # trigger, has a tracestate
    "01000000000000000000000000000000"  # says how it was sampled, not its randomness
    "00000000000000000600000000000000"  # randomness, bits of leaves
    "01000000000000005b33363032383739373031383936333936382c20227368617265225d"  # what the third saw, samplers before
)


def test_a_decision_that_this_version_has_stored_is_read_by_every_later_one():
    """The bytes and the policies are those of a file; what they say stays."""
    assert explained_record(SAVED_DECISION, SAVED_POLICIES) == {
        "trace_id": "0123456789abcdeffedcba9876543210",
        "time_unix_nano": 1_790_000_001_120_000_000,
        "trigger": "decision_wait",
        "outcome": "kept by share (1 of 2) in the process, then by slow, weight 2",
        "sampled": True,
        "dropped": False,
        "policy": "slow",
        "weight": 2.0,
        "spans": 8,
        "duration_ns": 100_000_000,
        "later_spans": 2,
        "later_errors": 1,
        "votes": [
            {"policy": "failed", "vote": "not sampled", "saw": "status UNSET, wanted ERROR"},
            {"policy": "slow", "vote": "sampled", "saw": "100 ms ≥ 100 ms"},
            {"policy": "get", "vote": "sampled", "saw": 'name == "GET"'},
        ],
        "upstream": {"policy": "share", "weight": 2.0},
    }
