"""Adjusted counts: a span whose `tracestate` says that it was sampled at a threshold counts for those that were not.

Only thresholds whose adjusted count is a whole number: the original rounds all others up or down by chance.
"""

from __future__ import annotations

from tests.corpus.case import Case, sampling
from tests.corpus.probabilistic import share
from tests.corpus.spans import event, span

_FEW = "histogram: {explicit: {buckets: [10ms]}}\n"
_METHOD = _FEW + "enable_metrics_sampling_method: true"


def _states(*states: str) -> list:
    return [[span(number, ms=20, trace_state=state) for number, state in enumerate(states, 1)]]


CASES = [
    Case("half", _states("ot=th:8"), span_metrics=_FEW),
    Case("a_quarter", _states("ot=th:c"), span_metrics=_FEW),
    Case("an_eighth", _states("ot=th:e"), span_metrics=_FEW),
    Case("everything", _states("ot=th:0"), span_metrics=_FEW),
    Case("no_tracestate", _states(""), span_metrics=_FEW),
    Case("mixed", _states("ot=th:8", "", "ot=th:c", "ot=th:8", "ot=th:0"), span_metrics=_FEW),
    Case("randomness_without_a_threshold", _states("ot=rv:ffffffffffffff"), span_metrics=_FEW),
    Case("randomness_and_threshold", _states("ot=rv:ffffffffffffff;th:8"), span_metrics=_FEW),
    Case("randomness_below_the_threshold", _states("ot=rv:00000000000000;th:8"), span_metrics=_FEW),
    Case("among_other_vendors", _states("a=1,ot=th:8,b=2"), span_metrics=_FEW),
    Case("trailing_zeros", _states("ot=th:8000"), span_metrics=_FEW),
    Case("upper_case", _states("ot=th:C"), span_metrics=_FEW),
    Case("invalid_threshold", _states("ot=th:xyz"), span_metrics=_FEW),
    Case("empty_threshold", _states("ot=th:"), span_metrics=_FEW),
    Case("invalid_tracestate", _states("A=1,ot=th:8"), span_metrics=_FEW),
    Case("invalid_randomness", _states("ot=th:8;rv:1"), span_metrics=_FEW),
    Case("the_last_one_there_is", _states("ot=th:ffffffffffffff"), span_metrics=_FEW),
    Case("one_in_two_hundred_and_fifty_six", _states("ot=th:ff"), span_metrics=_FEW),
    Case("exponential", _states("ot=th:8", "", "ot=th:c"), span_metrics="histogram: {exponential: {max_size: 4}}"),
    Case("of_no_duration", [[span(ms=0, trace_state="ot=th:8")]], span_metrics=_FEW),
    Case(
        "of_no_duration_exponential",
        [[span(ms=0, trace_state="ot=th:8")]],
        span_metrics="histogram: {exponential: {max_size: 4}}",
    ),
    Case(
        "of_events",
        [[span(trace_state="ot=th:c", events=(event(), event()))]],
        span_metrics=f"{_FEW}events: {{enabled: true, dimensions: [{{name: x}}]}}",
    ),
    Case("method_counted_and_extrapolated", _states("ot=th:8", "", "ot=th:8", "a=1"), span_metrics=_METHOD),
    Case("method_of_everything_is_extrapolated", _states("ot=th:0"), span_metrics=_METHOD),
    Case("method_of_an_invalid_tracestate_is_counted", _states("A=1,ot=th:8"), span_metrics=_METHOD),
    Case("method_off", _states("ot=th:8", ""), span_metrics=f"{_FEW}enable_metrics_sampling_method: false"),
    Case(
        "derived_before_sampling_takes_no_notice_of_it", [[span(1, t) for t in range(1, 41)]], sampling(share(50)), _FEW
    ),
    Case(
        "derived_before_sampling_weighs_what_came_weighed",
        [[span(1, t, trace_state="ot=th:8") for t in range(1, 11)]],
        sampling(share(25)),
        _FEW,
    ),
]
