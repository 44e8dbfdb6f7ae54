"""The `boolean_attribute` policy; in the original a value of any other type is false."""

from __future__ import annotations

from tests.corpus.case import Case, sampling
from tests.corpus.spans import resource, span


def _is(value: str, more: str = "") -> str:
    return sampling(f"{{name: b, type: boolean_attribute, boolean_attribute: {{key: b, value: {value}{more}}}}}")


_INVERTED = ", invert_match: true"
CASES = [
    Case("true", [[span(b=True)]], _is("true")),
    Case("false_where_true_is_wanted", [[span(b=False)]], _is("true")),
    Case("false", [[span(b=False)]], _is("false")),
    Case("absent_where_false_is_wanted", [[span()]], _is("false")),
    Case(
        "value_left_out_is_false",
        [[span(b=False)]],
        sampling("{name: b, type: boolean_attribute, boolean_attribute: {key: b}}"),
    ),
    Case("a_string_is_not_true", [[span(b="true")]], _is("true")),
    Case("a_one_is_not_true", [[span(b=1)]], _is("true")),
    Case("a_string_counts_as_false", [[span(b="true")]], _is("false")),
    Case("a_one_counts_as_false", [[span(b=1)]], _is("false")),
    Case("an_empty_value_counts_as_false", [[span(b=None)]], _is("false")),
    Case("on_the_resource", [[span(resource=resource(b=True))]], _is("true")),
    Case("on_the_last_of_three_spans", [[span(1), span(2, b=False), span(3, b=True)]], _is("true")),
    Case("inverted_and_equal", [[span(b=True)]], _is("true", _INVERTED)),
    Case("inverted_and_not_equal", [[span(b=False)]], _is("true", _INVERTED)),
    Case("inverted_and_absent", [[span()]], _is("true", _INVERTED)),
    Case("inverted_and_another_type", [[span(b="x")]], _is("false", _INVERTED)),
    Case(
        "inverted_and_equal_on_one_resource_of_two",
        [[span(resource=resource(b=False)), span(2, resource=resource(b=True))]],
        _is("true", _INVERTED),
    ),
]
