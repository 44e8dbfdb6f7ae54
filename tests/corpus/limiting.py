"""`rate_limiting` and `bytes_limiting`: a token bucket that is full at first; of a tick's traces the most random ones fit.

All traces of a case come in one request, so that they are decided in one tick.
"""

from __future__ import annotations

from tests.corpus.case import LATER, Case, sampling
from tests.corpus.probabilistic import share
from tests.corpus.spans import span, tree
from tests.corpus.wire import size_in_collector

_SLOW = "{name: slow, type: latency, latency: {threshold_ms: 100}}"
_RV = "ot=rv:{:014x}"


def rate(spans: int, more: str = "") -> str:
    """Return a policy."""
    return f"{{name: rate, type: rate_limiting, rate_limiting: {{spans_per_second: {spans}{more}}}}}"


def _bytes(limit: int, more: str = "") -> str:
    return f"{{name: bytes, type: bytes_limiting, bytes_limiting: {{bytes_per_second: {limit}{more}}}}}"


def _traces(*sizes: int) -> list:
    return [[found for trace, size in enumerate(sizes, 1) for found in tree(size, trace)]]


def _random(*values: int) -> list:
    """Return a trace of two spans for each randomness."""
    return [[found for t, value in enumerate(values, 1) for found in tree(2, t, trace_state=_RV.format(value))]]


_ONE = tree(3)
_SIZE = size_in_collector(_ONE)
_slow_and_quick = [found for t in range(1, 13) for found in tree(2, t, ms=200 if t % 2 else 10)]

CASES = [
    Case("rate_everything_fits", _traces(3, 3, 3), sampling(rate(10))),
    Case("rate_twice_the_rate_at_first", _traces(*[2] * 10), sampling(rate(10))),
    Case("rate_one_trace_too_many", _traces(*[2] * 11), sampling(rate(10))),
    Case("rate_far_too_many", _traces(*[2] * 100), sampling(rate(10))),
    Case("rate_of_different_sizes", _traces(7, 3, 9, 2, 1, 8, 4, 6), sampling(rate(10))),
    Case("rate_exactly_the_burst", _traces(20), sampling(rate(10))),
    Case("rate_one_span_over_the_burst", _traces(21), sampling(rate(10))),
    Case("rate_a_trace_over_the_burst_starves_nobody", _traces(21, 10, 10), sampling(rate(10))),
    Case("rate_burst_of_its_own", _traces(*[2] * 10), sampling(rate(10, ", burst_capacity: 5"))),
    Case("rate_burst_of_zero_is_twice_the_rate", _traces(*[2] * 11), sampling(rate(10, ", burst_capacity: 0"))),
    Case("rate_of_zero", _traces(1), sampling(rate(0))),
    Case("rate_of_zero_with_a_burst", _traces(*[2] * 5), sampling(rate(0, ", burst_capacity: 5"))),
    Case(
        "rate_by_the_randomness_of_tracestate",
        _random(1 << 55, 1 << 54, 3 << 54, 0, (1 << 56) - 1),
        sampling(rate(2, ", burst_capacity: 5")),
    ),
    Case("rate_ties_are_rejected_together", _random(5, 7, 5, 9), sampling(rate(3))),
    Case("rate_ties_at_the_top_reject_everything", _random(9, 9, 9, 9), sampling(rate(3))),
    Case(
        "rate_the_first_that_does_not_fit_ends_it",
        [
            [
                *tree(2, 1, trace_state=_RV.format(9)),
                *tree(5, 2, trace_state=_RV.format(8)),
                *tree(1, 3, trace_state=_RV.format(7)),
            ]
        ],
        sampling(rate(3)),
    ),
    Case(
        "rate_full_again_later",
        [*_traces(*[2] * 10), LATER, [found for t in range(21, 31) for found in tree(2, t)]],
        sampling(rate(20, ", burst_capacity: 20")),
    ),
    Case(
        "rate_in_and_counts_only_what_the_others_match",
        [_slow_and_quick],
        sampling(f"{{name: both, type: and, and: {{and_sub_policy: [{_SLOW}, {rate(4)}]}}}}"),
    ),
    Case(
        "rate_first_in_and",
        [_slow_and_quick],
        sampling(f"{{name: both, type: and, and: {{and_sub_policy: [{rate(4)}, {_SLOW}]}}}}"),
    ),
    Case(
        "rate_in_and_with_a_share",
        _traces(*[2] * 40),
        sampling(f"{{name: both, type: and, and: {{and_sub_policy: [{share(50)}, {rate(10)}]}}}}"),
    ),
    Case("rate_beside_another_policy", [_slow_and_quick], sampling(_SLOW, rate(4))),
    Case(
        "rate_does_not_count_what_is_dropped",
        [_slow_and_quick],
        sampling(f"{{name: d, type: drop, drop: {{drop_sub_policy: [{_SLOW}]}}}}", rate(6)),
    ),
    Case("rate_counts_what_another_policy_samples", [_slow_and_quick], sampling(rate(4), _SLOW)),
    Case("rate_two_limiters", _traces(*[2] * 20), sampling(rate(5), rate(10).replace("name: rate", "name: second"))),
    Case("rate_not", _traces(21, 1), sampling(f"{{name: n, type: not, not: {{not_sub_policy: {rate(10)}}}}}")),
    Case("rate_counts_the_same_span_twice", [[span(1), span(1), span(1)]], sampling(rate(1))),
    Case("bytes_everything_fits", _traces(3, 3), sampling(_bytes(10_000))),
    Case("bytes_exactly_the_burst", [_ONE], sampling(_bytes(1, f", burst_capacity: {_SIZE}"))),
    Case("bytes_one_over_the_burst", [_ONE], sampling(_bytes(1, f", burst_capacity: {_SIZE - 1}"))),
    Case("bytes_twice_the_rate_at_first", [_ONE], sampling(_bytes((_SIZE + 1) // 2))),
    Case("bytes_the_most_random_ones_fit", _traces(*[3] * 20), sampling(_bytes(_SIZE * 3))),
    Case("bytes_of_a_large_attribute", [[span(1, 1, blob="x" * 100_000), span(1, 2)]], sampling(_bytes(40_000))),
    Case(
        "bytes_in_and",
        [_slow_and_quick],
        sampling(f"{{name: both, type: and, and: {{and_sub_policy: [{_SLOW}, {_bytes(_SIZE)}]}}}}"),
    ),
]
