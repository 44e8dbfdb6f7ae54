"""The `tracestate` of the spans of a sampled trace."""

from __future__ import annotations

from tests.corpus.case import Case, sampling
from tests.corpus.plain import ALWAYS
from tests.corpus.probabilistic import share
from tests.corpus.spans import span

_FULL = "ot=rv:80000000000000;" + "x:" + "a" * 230


def _states(*states: str) -> list:
    return [[span(number, trace_state=state) for number, state in enumerate(states, 1)]]


_ALL_OF_THEM = sampling(share(100))
_HALF_OR_LESS = sampling(share(50))

CASES = [
    Case("nothing_there", _states(""), ALWAYS),
    Case("a_stricter_one_stays", _states("ot=th:c"), ALWAYS),
    Case("zero_stays", _states("ot=th:0"), ALWAYS),
    Case("randomness_stays", _states("ot=rv:123456789abcde"), ALWAYS),
    Case("other_fields_stay_and_move_behind", _states("ot=xx:1;yy:2;rv:123456789abcde"), ALWAYS),
    Case("other_fields_stay_where_the_threshold_does", _states("ot=xx:1;th:4;yy:2;rv:123456789abcde"), ALWAYS),
    Case("other_vendors_stay_and_move_behind", _states("a=1,ot=xx:1,b=2"), ALWAYS),
    Case("other_vendors_stay_where_the_threshold_does", _states("a=1 ,ot=th:4, b=2"), ALWAYS),
    Case("equal_to_the_share_and_not_in_its_place", _states("a=1 ,ot=xx:1;th:8;rv:ffffffffffffff"), _HALF_OR_LESS),
    Case("other_vendors_with_white_space", _states("a=1 , b=2"), ALWAYS),
    Case("invalid_is_left_alone", _states("A=1"), ALWAYS),
    Case("invalid_threshold_is_left_alone", _states("ot=th:zz"), ALWAYS),
    Case("invalid_randomness_is_left_alone", _states("ot=rv:1"), ALWAYS),
    Case("an_empty_entry_of_ours", _states("ot="), ALWAYS),
    Case("a_field_without_a_value", _states("ot=th:"), ALWAYS),
    Case("a_trailing_semicolon", _states("ot=th:4;"), ALWAYS),
    Case("our_entry_twice", _states("ot=th:4,ot=th:8"), ALWAYS),
    Case("upper_case_digits", _states("ot=th:C"), ALWAYS),
    Case("trailing_zeros", _states("ot=th:8000"), ALWAYS),
    Case("trailing_zeros_raised", _states("ot=rv:ffffffffffffff;th:4000"), _HALF_OR_LESS),
    Case("fourteen_digits", _states("ot=th:123456789abcde"), ALWAYS),
    Case("longer_than_allowed", _states(f"ot=x:{'a' * 255}"), ALWAYS),
    Case("as_long_as_allowed", _states(_FULL), ALWAYS),
    Case("thirty_two_entries", _states(",".join(f"v{n}=1" for n in range(32))), ALWAYS),
    Case("thirty_one_entries", _states(",".join(f"v{n}=1" for n in range(31))), ALWAYS),
    Case("more_than_a_thousand_characters", _states(",".join(f"v{n}={'x' * 250}" for n in range(5))), ALWAYS),
    Case("each_span_for_itself", _states("", "ot=th:c", "A=1", "ot=th:2", "a=1"), ALWAYS),
    Case("raised_to_the_share", _states("ot=rv:ffffffffffffff;th:4"), _HALF_OR_LESS),
    Case("stricter_than_the_share_stays", _states("ot=rv:ffffffffffffff;th:e"), _HALF_OR_LESS),
    Case("each_span_for_itself_in_a_share", _states("ot=rv:ffffffffffffff", "", "ot=th:c", "ot=th:4"), _HALF_OR_LESS),
    Case("everything_is_zero", _states("ot=rv:00000000000000;th:0"), _ALL_OF_THEM),
]
