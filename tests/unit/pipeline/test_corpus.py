"""Our engine gives the Collector's answers, as recorded from the real one; where it does not, it says why."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from otel_fe import compiled
from otel_fe.config.problems import InvalidConfigError
from tests.corpus import ours, recorded
from tests.corpus.all_cases import CASES
from tests.corpus.differences import ANSWERS, REFUSED
from tests.corpus.outcome import Outcome, outcome
from tests.corpus.wire import decode, encode

RECORDED = recorded.read()
OURS = recorded.read(recorded.OURS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_ours_is_the_original_s_answer(case):
    """Same spans kept, same winner, same `tracestate`, same points; a case that differs has our answer pinned."""
    if case.id in REFUSED:
        with pytest.raises(InvalidConfigError, match=re.escape(REFUSED[case.id])):
            ours.run(case)
        return
    found = ours.run(case)
    expected = (OURS if case.id in ANSWERS else RECORDED)[case.id]
    if case.totals_only:
        assert found.totals() == expected.totals(), case.totals_only
    else:
        assert found == expected, recorded.difference(found, expected)


@pytest.mark.skipif(compiled.backend is None, reason="not compiled, or switched off")
@pytest.mark.parametrize(
    "case",
    # The receiver rejects spans without ids.
    [
        case
        for case in CASES
        if case.tail_sampling and case.id not in {*REFUSED, "shape/no_trace_id", "shape/no_span_id"}
    ],
    ids=lambda case: case.id,
)
def test_the_compiled_sampler_gives_the_same_answers(case):
    """The compiled sampler gives the recorded answers from the bytes of requests, with pending traces as rows in C."""
    assert ours.run(case, in_c=True) == ours.run(case)


def test_every_case_is_recorded_and_nothing_else():
    """recorded.json has exactly the cases of the corpus, each once."""
    counts = Counter(case.id for case in CASES)
    assert counts.keys() == RECORDED.keys()
    assert set(counts.values()) == {1}


def test_what_differs_differs():
    """A difference that has gone is not one any more, and none is listed of a case that is not there."""
    assert OURS.keys() == ANSWERS.keys() <= RECORDED.keys()
    assert REFUSED.keys() <= RECORDED.keys()
    for name, why in ANSWERS.items():
        assert OURS[name] != RECORDED[name], f"{name}: {why}"


def test_the_corpus_is_large():
    """The corpus has at least 150 cases, of sampling and of derived metrics."""
    assert len(CASES) >= 150
    assert sum(case.tail_sampling is not None for case in CASES) >= 100
    assert sum(case.span_metrics is not None for case in CASES) >= 50


def test_outcomes_tell_types_apart():
    """1, 1.0 and true are different values of a dimension."""
    ones = [outcome(points=[{"attributes": {"x": value}}]) for value in (1, 1.0, True, "1")]
    assert all((a == b) == (a is b) for a in ones for b in ones)
    assert Outcome.from_json(ones[1].to_json()) == ones[1]


def test_spans_survive_the_wire():
    """Encoded spans keep their ids and `tracestate`; no request decodes to an empty outcome."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    assert decode() == Outcome()
    for case in CASES[:50]:
        for batch in (batch for phase in case.phases() for batch in phase):
            kept = decode([ExportTraceServiceRequest.FromString(encode(batch))]).kept
            sent = Counter((f"{span.trace_id:032x}", span.trace_state, f"{span.span_id:x}") for span in batch)
            assert Counter((t, s, i) for t, states in kept.items() for s, ids in states.items() for i in ids) == sent


@pytest.mark.parametrize("case", CASES[::25], ids=lambda case: case.id)
def test_settings_are_whole_files(case):
    """A case's YAML file contains the sampler and the connector if the case configures them."""
    import yaml

    found = yaml.safe_load(ours.collector_yaml(case))
    assert ("processors" in found) == (case.tail_sampling is not None)
    assert ("connectors" in found) == (case.span_metrics is not None)


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in CASES
        # Whether a trace is still pending at a shutdown is what keeping early changes.
        if case.tail_sampling and case.id not in {*REFUSED, "settings/pending_at_shutdown_is_dropped_if_asked"}
    ],
    ids=lambda case: case.id,
)
def test_keeping_early_changes_neither_what_is_kept_nor_its_weight(case):
    """Which of the policies that sample a trace is named may differ: later spans have not been seen."""
    early, late = ours.run(case, keep_early=True), ours.run(case)
    assert early.kept == late.kept
    assert early.winners.keys() == late.winners.keys()
