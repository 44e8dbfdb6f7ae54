"""The `latency` policy: of the whole trace, in whole milliseconds, above the threshold, up to the upper one."""

from __future__ import annotations

from dataclasses import replace

from tests.corpus.case import Case, sampling
from tests.corpus.spans import at, span, tree

SLOW = sampling("{name: slow, type: latency, latency: {threshold_ms: 100}}")
BETWEEN = sampling("{name: slow, type: latency, latency: {threshold_ms: 100, upper_threshold_ms: 200}}")
ANY = sampling("{name: slow, type: latency, latency: {threshold_ms: 0}}")

_short, _long = span(1, ms=150), span(2, 1, 1, ms=500)
_unset = replace(span(2, 1, 1), start_ns=0, end_ns=0)

CASES = [
    Case("above_the_threshold", [[span(ms=101)]], SLOW),
    Case("exactly_at_the_threshold", [[span(ms=100)]], SLOW),
    Case("a_nanosecond_short_of_the_next_millisecond", [[span(ms=100.999999)]], SLOW),
    Case("below_the_threshold", [[span(ms=99)]], SLOW),
    Case("threshold_zero_and_no_duration", [[span(ms=0)]], ANY),
    Case("threshold_zero_and_less_than_a_millisecond", [[span(ms=0.9)]], ANY),
    Case("threshold_zero_and_a_millisecond", [[span(ms=1)]], ANY),
    Case("of_the_whole_trace_though_each_span_is_short", [[span(ms=10), span(2, 1, 1, start=200, ms=10)]], SLOW),
    Case("of_the_whole_trace_over_two_batches", [[span(ms=10)], [span(2, 1, 1, start=200, ms=10)]], SLOW),
    Case("a_child_outlasts_its_root", [[span(ms=10), span(2, 1, 1, start=5, ms=200)]], SLOW),
    Case("a_child_starts_before_its_root", [[span(ms=10), span(2, 1, 1, start=-200, ms=10)]], SLOW),
    Case("end_before_start", [[span(ms=-500)]], SLOW),
    Case("end_before_start_of_a_child_in_a_slow_trace", [[span(ms=200), span(2, 1, 1, start=50, ms=-20)]], SLOW),
    Case("a_child_ends_before_everything_started", [[span(ms=50), span(2, 1, 1, start=40, ms=-300)]], SLOW),
    Case("a_child_without_times_last", [[span(ms=10), _unset]], SLOW),
    Case("a_child_without_times_first", [[_unset, span(ms=10)]], SLOW),
    Case("no_times_at_all", [[_unset]], SLOW),
    Case("an_end_without_a_start", [[replace(span(), start_ns=0)]], SLOW),
    Case("a_start_without_an_end", [[replace(span(), end_ns=0)]], SLOW),
    Case("of_days", [[span(ms=5 * 86_400_000)]], SLOW),
    Case("within_both_bounds", [[span(ms=150)]], BETWEEN),
    Case("exactly_at_the_upper_threshold", [[span(ms=200)]], BETWEEN),
    Case("a_fraction_above_the_upper_threshold", [[span(ms=200.9)]], BETWEEN),
    Case("above_the_upper_threshold", [[span(ms=201)]], BETWEEN),
    Case("exactly_at_the_lower_of_two_thresholds", [[span(ms=100)]], BETWEEN),
    Case(
        "upper_below_lower",
        [[span(ms=150)]],
        sampling("{name: s, type: latency, latency: {threshold_ms: 200, upper_threshold_ms: 100}}"),
    ),
    Case("a_span_within_bounds_in_a_trace_above_them_long_first", [[_long, _short]], BETWEEN),
    Case(
        "a_span_within_bounds_in_a_trace_above_them_short_first",
        [[_short, _long]],
        BETWEEN,
    ),
    Case(
        "grows_through_the_bounds_span_by_span",
        [[span(n, 1, n - 1, start=90 * n, ms=10) for n in range(1, 8)]],
        BETWEEN,
    ),
    Case(
        "microseconds_of_the_clock_do_not_add_up",
        [[replace(span(ms=0), start_ns=at(0) + 999_999, end_ns=at(101) + 999_998)]],
        SLOW,
    ),
    Case("of_two_traces_each_by_itself", [[span(ms=10), span(1, 2, start=500, ms=10), span(1, 3, ms=300)]], SLOW),
    Case("many_short_spans_in_a_row", [tree(50, ms=10)], SLOW),
]
