"""The `string_attribute` policy: exact values, or RE2 expressions that are searched for."""

from __future__ import annotations

from typing import Any

from tests.corpus.case import Case, sampling
from tests.corpus.spans import resource, span


def _one_of(*values: str, more: str = "") -> str:
    quoted = ", ".join(f"'{value}'" for value in values)
    return sampling(f"{{name: s, type: string_attribute, string_attribute: {{key: s, values: [{quoted}]{more}}}}}")


def _matching(*values: str, more: str = "") -> str:
    return _one_of(*values, more=f", enabled_regex_matching: true{more}")


def _value(value: Any) -> list:
    return [[span(s=value)]]


def _values(*values: str) -> list:
    """Return a trace for each value, in one request."""
    return [[span(1, trace, s=value) for trace, value in enumerate(values, 1)]]


_INVERTED = ", invert_match: true"
_METHODS = _one_of("GET", "POST")

CASES = [
    Case("equal", _value("POST"), _METHODS),
    Case("another_value", _value("PUT"), _METHODS),
    Case("of_another_case", _value("get"), _METHODS),
    Case("only_begins_alike", _value("GETTING"), _METHODS),
    Case("no_attributes", [[span()]], _METHODS),
    Case("on_the_resource", [[span(resource=resource(s="GET"))]], _METHODS),
    Case("on_the_resource_though_the_span_has_another", [[span(s="PUT", resource=resource(s="GET"))]], _METHODS),
    Case("on_a_child", [[span(), span(2, 1, 1, s="GET")]], _METHODS),
    Case("empty_value_that_is_listed", _value(""), _one_of("", "x")),
    Case("empty_value_that_is_listed_on_the_resource", [[span(resource=resource(s=""))]], _one_of("", "x")),
    Case("an_integer_is_no_string", _value(5), _one_of("5")),
    Case("a_bool_is_no_string", _value(True), _one_of("true", "True")),
    Case("an_array_is_no_string", _value(["GET"]), _one_of("GET", '["GET"]')),
    Case("unicode", _value("größe 特徴 🦉"), _one_of("größe 特徴 🦉")),
    Case("unicode_composed_otherwise", _value("gro\u0308ße"), _one_of("größe")),
    Case("of_100_kB", _value("x" * 100_000), _one_of("x" * 100_000)),
    Case("regex_is_searched_for", _value("a GET b"), _matching("GET")),
    Case("regex_anchored", _values("GET", "a GET", "GET b"), _matching("^GET$")),
    Case("regex_one_of_several", _values("abc", "xyz", "123"), _matching("^a", "z$")),
    Case("regex_matches_the_empty_string_but_the_span_has_it", _value(""), _matching("^$")),
    Case("regex_matches_everything_but_the_span_has_the_empty_string", _value(""), _matching(".*")),
    Case("regex_matches_the_empty_string_on_the_resource", [[span(resource=resource(s=""))]], _matching("^$")),
    Case("regex_matches_everything_and_the_span_has_an_integer", _value(5), _matching(".*")),
    Case("regex_matches_everything_and_the_resource_has_an_integer", [[span(resource=resource(s=5))]], _matching(".*")),
    Case("regex_without_the_attribute", [[span()]], _matching(".*")),
    Case("regex_of_nothing", _value("x"), _matching("")),
    Case("regex_ignoring_case", _values("error", "ERROR", "Eror"), _matching("(?i)error")),
    Case("regex_end_is_the_very_end", _values("b", "b\n"), _matching("b$")),
    Case("regex_dot_is_no_newline", _values("a\nb", "a b"), _matching("^a.b")),
    Case("regex_dot_is_a_newline_if_asked", _values("a\nb"), _matching("(?s)^a.b")),
    Case("regex_lines_if_asked", _values("a\nb\nc"), _matching("(?m)^b$")),
    Case("regex_digits_are_ascii", _values("3", "\u0663", "\uff13"), _matching(r"^\d$")),
    Case("regex_word_characters_are_ascii", _values("a", "ä", "_"), _matching(r"^\w$")),
    Case("regex_white_space_is_five_characters", _values("\t", "\v", "\u00a0", " "), _matching(r"^\s$")),
    Case("regex_word_boundary_is_ascii", _values("xäb", "x b"), _matching(r"\bb")),
    Case("regex_posix_class", _values("a", "1", "ä"), _matching("^[[:alpha:]]$")),
    Case("regex_unicode_class", _values("ä", "Я", "1"), _matching(r"^\p{L}$", r"^\pN$")),
    Case("regex_literal_quoting", _values("a.b", "axb"), _matching(r"\Qa.b\E")),
    Case("regex_end_of_text", _values("ab", "ab\n"), _matching(r"b\z")),
    Case("regex_not_greedy_and_named_groups", _values("aXXb"), _matching("^a(?P<x>X+?)b$")),
    Case("regex_repeated", _values("aa", "aaaa"), _matching("^a{3,5}$")),
    Case("regex_unicode_dot_is_a_code_point", _values("🦉", "🦉🦉"), _matching("^.$")),
    Case("regex_on_100_kB", _value("x" * 100_000 + "y"), _matching("y$")),
    Case(
        "regex_remembered_answers_do_not_mix",
        _values("a", "b", "a", "b", "a"),
        _matching("a", more=", cache_max_size: 1"),
    ),
    Case(
        "regex_many_values_and_a_small_cache",
        _values(*(f"v{n % 7}" for n in range(40))),
        _matching("v[0-2]", more=", cache_max_size: 2"),
    ),
    Case("inverted_and_equal", _value("GET"), _one_of("GET", more=_INVERTED)),
    Case("inverted_and_another_value", _value("PUT"), _one_of("GET", more=_INVERTED)),
    Case("inverted_and_absent", [[span()]], _one_of("GET", more=_INVERTED)),
    Case("inverted_without_values", _value("GET"), _one_of(more=_INVERTED)),
    Case(
        "inverted_and_equal_on_one_span_of_three",
        [[span(1, s="a"), span(2, s="GET"), span(3)]],
        _one_of("GET", more=_INVERTED),
    ),
    Case(
        "inverted_and_equal_on_the_second_resource",
        [[span(resource=resource(s="a")), span(2, resource=resource(s="GET"))]],
        _one_of("GET", more=_INVERTED),
    ),
    Case("inverted_and_equal_in_another_batch", [[span(s="a")], [span(2, s="GET")]], _one_of("GET", more=_INVERTED)),
    Case("inverted_regex_matches_the_empty_string_but_the_span_has_it", _value(""), _matching(".*", more=_INVERTED)),
    Case(
        "inverted_regex_matches_the_empty_string_on_the_resource",
        [[span(resource=resource(s=""))]],
        _matching(".*", more=_INVERTED),
    ),
    Case("without_values", _value("GET"), _one_of()),
]
