"""The `probabilistic` policy: by a salted hash of the trace id, or by the randomness that `tracestate` speaks of."""

from __future__ import annotations

from tests.corpus.case import Case, sampling
from tests.corpus.spans import span


def share(percentage: float | str, name: str = "share", salt: str = "") -> str:
    """Return a policy."""
    salted = f", hash_salt: {salt}" if salt else ""
    return f"{{name: {name}, type: probabilistic, probabilistic: {{sampling_percentage: {percentage}{salted}}}}}"


def _traces(count: int, state: str = "") -> list:
    return [[span(1, trace, trace_state=state) for trace in range(1, count + 1)]]


def _states(*states: str) -> list:
    """Return a trace of one span for each `tracestate`, in one request."""
    return [[span(1, trace, trace_state=state) for trace, state in enumerate(states, 1)]]


_HALF = sampling(share(50))
CASES = [
    Case("nothing", _traces(20), sampling(share(0))),
    Case("everything", _traces(20), sampling(share(100))),
    Case("more_than_everything", _traces(20), sampling(share(150))),
    Case("less_than_nothing", _traces(20), sampling(share(-1))),
    Case("percentage_left_out", _traces(20), sampling("{name: share, type: probabilistic}")),
    Case("half", _traces(60), _HALF),
    Case("half_salted", _traces(60), sampling(share(50, salt="pepper"))),
    Case("half_salted_otherwise", _traces(60), sampling(share(50, salt="sugar"))),
    Case("half_with_the_default_salt_spelled_out", _traces(60), sampling(share(50, salt="default-hash-seed"))),
    Case("an_eighth", _traces(120), sampling(share(12.5))),
    Case("a_tenth", _traces(120), sampling(share(10))),
    Case("a_third", _traces(60), sampling(share(33.3))),
    Case("almost_everything", _traces(60), sampling(share(99.9))),
    Case("one_in_a_million", _traces(60), sampling(share(0.0001))),
    Case("one_in_a_million_and_the_highest_randomness", _states("ot=rv:ffffffffffffff"), sampling(share(0.0001))),
    Case("less_than_can_be_expressed", _states("ot=rv:ffffffffffffff"), sampling(share("1e-16"))),
    Case("nothing_and_the_highest_randomness", _states("ot=rv:ffffffffffffff"), sampling(share(0))),
    Case("randomness_exactly_at_the_threshold", _states("ot=rv:80000000000000"), _HALF),
    Case("randomness_one_below_the_threshold", _states("ot=rv:7fffffffffffff"), _HALF),
    Case("randomness_highest_and_lowest", _states("ot=rv:ffffffffffffff", "ot=rv:00000000000000"), _HALF),
    Case(
        "randomness_ignores_the_salt",
        _states("ot=rv:80000000000000", "ot=rv:7fffffffffffff"),
        sampling(share(50, salt="x")),
    ),
    Case("a_threshold_without_randomness_takes_the_trace_id", _traces(40, "ot=th:4"), _HALF),
    Case("a_threshold_of_zero_takes_the_trace_id", _traces(40, "ot=th:0"), _HALF),
    Case("a_stricter_threshold_is_not_lowered", _traces(40, "ot=th:c"), _HALF),
    Case("a_looser_threshold_is_raised", _traces(40, "ot=th:4"), sampling(share(25))),
    Case("randomness_on_a_child_only", [[span(), span(2, 1, 1, trace_state="ot=rv:ffffffffffffff")]], _HALF),
    Case(
        "two_randomnesses_and_the_first_counts",
        [[span(1, trace_state="ot=rv:00000000000000"), span(2, 1, 1, trace_state="ot=rv:ffffffffffffff")]],
        _HALF,
    ),
    Case("randomness_of_thirteen_digits", _traces(40, "ot=rv:ffffffffffffe"), _HALF),
    Case("randomness_in_upper_case", _traces(40, "ot=rv:FFFFFFFFFFFFFF"), _HALF),
    Case("randomness_that_is_no_number", _traces(40, "ot=rv:gggggggggggggg"), _HALF),
    Case("a_threshold_that_is_no_number", _traces(40, "ot=th:xyz"), _HALF),
    Case("a_threshold_of_fifteen_digits", _traces(40, "ot=th:123456789abcdef"), _HALF),
    Case("fields_in_another_order", _states("ot=th:4;rv:ffffffffffffff;xx:1"), _HALF),
    Case("other_vendors_entries_are_kept", _states("a=1,ot=rv:ffffffffffffff,b=2"), _HALF),
    Case("other_vendors_entries_without_ours", _traces(20, "a=1,b=2"), _HALF),
    Case("invalid_tracestate_and_the_hash_decides", _traces(40, "A=1,ot=rv:ffffffffffffff"), _HALF),
    Case("white_space_in_tracestate", _states("a=1 , ot=rv:ffffffffffffff ,b=2"), _HALF),
    Case("two_shares_and_the_larger_one_is_written", _traces(60), sampling(share(25, "quarter"), share(50, "half"))),
    Case("two_shares_of_different_salts", _traces(60), sampling(share(25, "quarter", "a"), share(25, "other", "b"))),
    Case("everything_with_randomness", _states("ot=rv:00000000000000"), sampling(share(100))),
    Case(
        "several_spans_are_one_draw",
        [[span(n, trace, max(0, n - 1)) for trace in range(1, 11) for n in range(1, 5)]],
        _HALF,
    ),
]
