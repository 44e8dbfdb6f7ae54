"""The `numeric_attribute` policy: integers only, inclusive bounds; in the original a value of any other type is 0."""

from __future__ import annotations

from typing import Any

from tests.corpus.case import Case, sampling
from tests.corpus.spans import event, resource, scope, span


def _within(bounds: str, more: str = "") -> str:
    return sampling(f"{{name: n, type: numeric_attribute, numeric_attribute: {{key: n, {bounds}{more}}}}}")


def _spans(*values: Any) -> list:
    return [[span(number, n=value) for number, value in enumerate(values, 1)]]


_TENS = _within("min_value: 10, max_value: 20")
_NOT_TENS = _within("min_value: 10, max_value: 20", ", invert_match: true")
_AROUND_ZERO = _within("min_value: -5, max_value: 5")
_OTHER_TYPES = {
    "a_double": 30.0,
    "a_string": "30",
    "a_bool": True,
    "bytes": b"30",
    "an_array": [30],
    "a_map": {"n": 30},
    "an_empty_value": None,
}

CASES = [
    Case("exactly_the_minimum", _spans(10), _TENS),
    Case("exactly_the_maximum", _spans(20), _TENS),
    Case("one_below_the_minimum", _spans(9), _TENS),
    Case("one_above_the_maximum", _spans(21), _TENS),
    Case("no_attributes", [[span()]], _TENS),
    Case("a_double_within_bounds_is_not_an_integer", _spans(15.0), _TENS),
    Case("a_string_within_bounds_is_not_an_integer", _spans("15"), _TENS),
    *(Case(f"{kind}_counts_as_zero", _spans(value), _AROUND_ZERO) for kind, value in _OTHER_TYPES.items()),
    Case("a_string_on_a_resource_counts_as_zero", [[span(resource=resource(n="x"))]], _AROUND_ZERO),
    Case("minimum_zero_is_none", _spans(-1_000), _within("min_value: 0, max_value: 5")),
    Case("maximum_zero_is_none", _spans(1_000), _within("min_value: 5, max_value: 0")),
    Case("only_a_minimum", _spans(2**62), _within("min_value: 10")),
    Case("only_a_maximum", _spans(-(2**62)), _within("max_value: 10")),
    Case("the_largest_integer", _spans(2**63 - 1), _within("min_value: 9223372036854775807")),
    Case("the_smallest_integer", _spans(-(2**63)), _within("max_value: -9223372036854775808")),
    Case("negative_bounds", _spans(-15), _within("min_value: -20, max_value: -10")),
    Case("minimum_above_maximum", _spans(15), _within("min_value: 20, max_value: 10")),
    Case("on_the_resource", [[span(resource=resource(n=15))]], _TENS),
    Case("on_the_resource_though_the_span_has_another", [[span(n=99, resource=resource(n=15))]], _TENS),
    Case("on_the_scope_only", [[span(scope=scope("s", n=15))]], _TENS),
    Case("on_an_event_only", [[span(events=(event(n=15),))]], _TENS),
    Case("on_one_child_of_three", _spans(1, 15, 1), _TENS),
    Case("of_another_name", [[span(m=15, N=15)]], _TENS),
    Case("inverted_within_bounds", _spans(15), _NOT_TENS),
    Case("inverted_out_of_bounds", _spans(25), _NOT_TENS),
    Case("inverted_without_the_attribute", [[span()]], _NOT_TENS),
    Case("inverted_one_child_of_three_within_bounds", _spans(1, 15, 1), _NOT_TENS),
    Case(
        "inverted_a_string_counts_as_zero", _spans("x"), _within("min_value: -5, max_value: 5", ", invert_match: true")
    ),
    Case(
        "inverted_with_the_second_resource_within_bounds",
        [[span(n=1, resource=resource(n=1)), span(2, 1, 1, n=1, resource=resource(n=15))]],
        _NOT_TENS,
    ),
    Case(
        "inverted_with_no_resource_within_bounds",
        [[span(n=1, resource=resource(n=1)), span(2, 1, 1, n=1, resource=resource(n=2))]],
        _NOT_TENS,
    ),
]
