"""The policies with one setting or none: `always_sample`, `status_code`, `span_count`, `trace_flags`."""

from __future__ import annotations

from tests.corpus.case import Case, sampling
from tests.corpus.spans import ERROR, OK, resource, span, tree

ALWAYS = sampling("{name: all, type: always_sample}")
_FLAGS = sampling("{name: flags, type: trace_flags}")


def _status(*codes: str) -> str:
    return sampling(f"{{name: status, type: status_code, status_code: {{status_codes: [{', '.join(codes)}]}}}}")


def _count(bounds: str) -> str:
    return sampling(f"{{name: count, type: span_count, span_count: {{{bounds}}}}}")


CASES = [
    Case("always_sample", [[span()]], ALWAYS),
    Case("status_error_on_the_root", [[span(status=ERROR), span(2, 1, 1)]], _status("ERROR")),
    Case("status_error_on_a_child", [[span(), span(2, 1, 1, status=ERROR)]], _status("ERROR")),
    Case("status_error_nowhere", [[span(status=OK), span(2, 1, 1)]], _status("ERROR")),
    Case("status_unset", [[span(status=ERROR), span(2, 1, 1)]], _status("UNSET")),
    Case("status_ok", [[span(status=OK)]], _status("OK")),
    Case("status_ok_where_error_or_unset_is_wanted", [[span(status=OK)]], _status("ERROR", "UNSET")),
    Case("status_that_otlp_does_not_know", [[span(status=3)]], _status("ERROR", "OK", "UNSET")),
    Case("status_error_in_a_later_batch", [[span()], [span(2, 1, 1, status=ERROR)]], _status("ERROR")),
    Case("count_exactly_the_minimum", [tree(3)], _count("min_spans: 3")),
    Case("count_one_below_the_minimum", [tree(2)], _count("min_spans: 3")),
    Case("count_exactly_the_maximum", [tree(5)], _count("min_spans: 2, max_spans: 5")),
    Case("count_one_above_the_maximum", [tree(6)], _count("min_spans: 2, max_spans: 5")),
    Case("count_maximum_zero_is_none", [tree(60)], _count("min_spans: 2, max_spans: 0")),
    Case("count_without_a_minimum", [tree(2)], _count("max_spans: 2")),
    Case("count_without_bounds", [tree(1)], _count("")),
    Case("count_minimum_above_maximum", [tree(4)], _count("min_spans: 5, max_spans: 3")),
    Case("count_over_batches", [tree(2), [span(8, 1, 1)]], _count("min_spans: 3")),
    Case(
        "count_over_resources",
        [[span(1), span(2, resource=resource(a=1)), span(3, resource=resource(a=2))]],
        _count("min_spans: 3"),
    ),
    Case("count_the_same_span_twice", [[span(1), span(1)]], _count("min_spans: 2")),
    Case("count_of_2000", [tree(2_000)], _count("min_spans: 2000, max_spans: 2000")),
    Case("count_not_over_traces", [[span(1, 1), span(1, 2), span(2, 2)]], _count("min_spans: 2")),
    Case("flags_sampled", [[span(flags=1)]], _FLAGS),
    Case("flags_not_sampled", [[span(flags=0)]], _FLAGS),
    Case("flags_sampled_among_others", [[span(flags=0x301)]], _FLAGS),
    Case("flags_all_but_sampled", [[span(flags=0x3FE)]], _FLAGS),
    Case("flags_sampled_on_a_child", [[span(), span(2, 1, 1, flags=1)]], _FLAGS),
]
