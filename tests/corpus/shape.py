"""Shapes of traces and orders of arrival: what is kept is the whole trace, and nothing else."""

from __future__ import annotations

from dataclasses import replace

from tests.corpus.case import LATER, Case, sampling
from tests.corpus.latency import SLOW
from tests.corpus.plain import ALWAYS
from tests.corpus.probabilistic import share
from tests.corpus.spans import ERROR, at, event, resource, scope, span, tree

_FAILED = sampling("{name: error, type: status_code, status_code: {status_codes: [ERROR]}}")
_OVER_THREE = sampling("{name: count, type: span_count, span_count: {min_spans: 4}}")
_root, _child, _grandchild = span(), span(2, 1, 1), span(3, 1, 2, status=ERROR)

CASES = [
    Case("child_first", [[_grandchild, _child, _root]], _FAILED),
    Case("child_first_in_batches", [[_grandchild], [_child], [_root]], _FAILED),
    Case("root_last_and_slow", [[_child], [span(ms=200)]], SLOW),
    Case("two_roots", [[span(1), span(2, status=ERROR)]], _FAILED),
    Case("missing_parent", [[span(7, 1, 6, status=ERROR)]], _FAILED),
    Case("missing_parent_in_the_middle", [[_root, _grandchild]], _FAILED),
    Case("its_own_parent", [[span(1, 1, 1, status=ERROR)]], _FAILED),
    Case("parents_in_a_circle", [[span(1, 1, 2), span(2, 1, 1, status=ERROR)]], _FAILED),
    Case(
        "interleaved_traces",
        [[span(1, 1), span(1, 2), span(2, 1, 1, status=ERROR), span(2, 2, 1), span(3, 2, 1)]],
        _FAILED,
    ),
    Case(
        "interleaved_traces_over_batches",
        [[span(1, 1), span(1, 2)], [span(2, 2, 1), span(2, 1, 1, status=ERROR)]],
        _FAILED,
    ),
    Case(
        "several_resources_and_scopes",
        [
            [
                span(1, resource=resource(a=1)),
                span(2, 1, 1, scope=scope("x")),
                span(3, 1, 1, status=ERROR, resource=resource(a=2), scope=scope("y", "1")),
            ]
        ],
        _FAILED,
    ),
    Case("duplicate_span_id", [[span(1), span(1, ms=50), span(1, status=ERROR)]], _FAILED),
    Case("the_same_batch_twice", [tree(2), tree(2)], ALWAYS),
    Case("the_same_batch_twice_counts_twice", [tree(2), tree(2)], _OVER_THREE),
    Case("no_trace_id", [[replace(span(), trace_id=0)]], ALWAYS),
    Case("no_span_id", [[replace(span(), span_id=0)]], ALWAYS),
    Case("empty_name_and_no_kind", [[span(name="", kind=0)]], ALWAYS),
    Case("kind_that_otlp_does_not_know", [[span(kind=9)]], ALWAYS),
    Case("unicode", [[span(name="特徴 🦉", schlüssel="größe", resource=resource(zone="Ünder"))]], ALWAYS),
    Case("far_in_the_future", [[replace(span(), start_ns=at(0) * 5, end_ns=at(0) * 5 + 500_000_000)]], SLOW),
    Case("before_1970_is_not_before_the_end", [[replace(span(), start_ns=1, end_ns=200_000_001)]], SLOW),
    Case("two_thousand_spans", [tree(2_000)], _OVER_THREE),
    Case("two_thousand_spans_in_batches", [tree(2_000)[n : n + 100] for n in range(0, 2_000, 100)], _OVER_THREE),
    Case(
        "two_hundred_traces",
        [[found for t in range(1, 201) for found in tree(2, t, ms=200 if t % 3 == 0 else 10)]],
        SLOW,
    ),
    Case("an_attribute_of_100_kB", [[span(blob="x" * 100_000, ms=200)]], SLOW),
    Case("a_thousand_attributes", [[span(ms=200, attributes={f"key.{n}": n for n in range(1_000)})]], SLOW),
    Case("a_thousand_events", [[span(ms=200, events=tuple(event(f"e{n}", n=n) for n in range(1_000)))]], SLOW),
    Case(
        "every_kind_of_value",
        [[span(s="s", i=1, d=1.5, b=True, x=b"\x00", a=[1, "x", None], m={"k": {"k": []}}, e=None)]],
        ALWAYS,
    ),
    Case("late_span_of_a_sampled_trace", [[span(status=ERROR)], LATER, [_child]], _FAILED),
    Case("late_span_of_a_trace_that_was_not_sampled", [[_root], LATER, [_child]], _FAILED),
    Case("late_span_that_would_have_changed_the_decision", [[_root], LATER, [_grandchild]], _FAILED),
    Case("late_root_of_a_sampled_trace", [[_grandchild], LATER, [_root]], _FAILED),
    Case("late_root_of_a_trace_that_was_not_sampled", [[_child], LATER, [span(ms=900)]], SLOW),
    Case(
        "late_span_beside_a_new_trace",
        [[span(status=ERROR)], LATER, [_child, span(1, 2, status=ERROR), span(1, 3)]],
        _FAILED,
    ),
    Case("late_spans_twice", [[span(status=ERROR)], LATER, [_child], LATER, [_grandchild]], _FAILED),
    Case(
        "late_span_of_a_share",
        [[span(1, t) for t in range(1, 11)], LATER, [span(2, t, 1) for t in range(1, 11)]],
        sampling(share(50)),
    ),
    Case(
        "late_span_with_randomness_of_its_own",
        [[span(trace_state="ot=rv:ffffffffffffff")], LATER, [span(2, 1, 1, trace_state="ot=rv:ffffffffffffff")]],
        sampling(share(50)),
    ),
]
