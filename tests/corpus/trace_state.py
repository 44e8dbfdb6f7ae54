"""The `trace_state` policy: an entry of W3C's `tracestate`, which must be valid as a whole."""

from __future__ import annotations

from tests.corpus.case import Case, sampling
from tests.corpus.spans import span

_KEPT = sampling("{name: state, type: trace_state, trace_state: {key: shop, values: [keep, this]}}")
_MANY = ",".join(f"v{n}=1" for n in range(31))


def _state(*states: str) -> list:
    return [[span(number, trace_state=state) for number, state in enumerate(states, 1)]]


CASES = [
    Case("equal", _state("shop=this"), _KEPT),
    Case("another_value", _state("shop=that"), _KEPT),
    Case("of_another_key", _state("mall=keep"), _KEPT),
    Case("none", _state(""), _KEPT),
    Case("last_of_several_entries", _state("a=1,b=2,shop=keep"), _KEPT),
    Case("white_space_around_entries", _state("a=1 ,\tshop=keep , b=2"), _KEPT),
    Case("empty_entries", _state("a=1,,shop=keep,"), _KEPT),
    Case("white_space_before_the_value", _state("shop= keep"), _KEPT),
    Case("on_a_child", _state("", "shop=keep"), _KEPT),
    Case("key_in_upper_case_elsewhere", _state("A=1,shop=keep"), _KEPT),
    Case("an_entry_without_a_value", _state("a,shop=keep"), _KEPT),
    Case("an_entry_with_an_empty_value", _state("a=,shop=keep"), _KEPT),
    Case("the_key_twice", _state("shop=that,shop=keep"), _KEPT),
    Case("a_value_with_an_equals_sign", _state("a=b=c,shop=keep"), _KEPT),
    Case("thirty_two_entries", _state(f"{_MANY},shop=keep"), _KEPT),
    Case("thirty_three_entries", _state(f"{_MANY},x=1,shop=keep"), _KEPT),
    Case(
        "a_tenant",
        _state("t@shop=keep"),
        sampling("{name: state, type: trace_state, trace_state: {key: t@shop, values: [keep]}}"),
    ),
    Case("invalid_on_one_span_and_equal_on_another", _state("A=1", "shop=keep"), _KEPT),
    Case("not_ascii", _state("a=ü,shop=keep"), _KEPT),
    Case(
        "the_entry_of_opentelemetry",
        _state("ot=th:8"),
        sampling("{name: state, type: trace_state, trace_state: {key: ot, values: ['th:8']}}"),
    ),
    Case(
        "an_empty_value_wanted",
        _state("a=1"),
        sampling("{name: state, type: trace_state, trace_state: {key: b, values: ['']}}"),
    ),
]
