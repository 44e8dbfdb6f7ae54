"""The `composite` policy: the first sub-policy that matches decides, within its share of spans a second."""

from __future__ import annotations

from tests.corpus.case import LATER, Case, sampling
from tests.corpus.combined import ALL
from tests.corpus.probabilistic import share
from tests.corpus.spans import ERROR, span, tree

_SLOW = "{name: slow, type: latency, latency: {threshold_ms: 100}}"
_ERROR = "{name: error, type: status_code, status_code: {status_codes: [ERROR]}}"
_REST = "{name: rest, type: always_sample}"
_BROKEN = "{name: broken, type: ottl_condition, ottl_condition: {error_mode: propagate, span: ['Len(attributes[\"i\"]) > 0']}}"
_SLOW_ERROR = f"{{name: slow_error, type: and, and: {{and_sub_policy: [{_SLOW}, {_ERROR}]}}}}"


def _composite(total: int, *subs: str, order: str = "", name: str = "composite", **percents: int) -> str:
    shares = ", ".join(f"{{policy: {policy}, percent: {percent}}}" for policy, percent in percents.items())
    names = order or ", ".join(sub.split(",")[0].removeprefix("{name: ") for sub in subs)
    return (
        f"{{name: {name}, type: composite, composite: {{max_total_spans_per_second: {total}, policy_order: [{names}], "
        f"composite_sub_policy: [{', '.join(subs)}], rate_allocation: [{shares}]}}}}"
    )


def _sampling(total: int, *subs: str, **more) -> str:
    return sampling(_composite(total, *subs, **more))


_ORDER = "the original decides the traces of a tick in the order of a Go map"

CASES = [
    Case("the_first_sub_policy_matches", [tree(2, ms=200)], _sampling(100, _SLOW, _REST, slow=50, rest=25)),
    Case("the_second_sub_policy_matches", [tree(2)], _sampling(100, _SLOW, _REST, slow=50, rest=25)),
    Case("none_matches", [tree(2)], _sampling(100, _SLOW, _ERROR, slow=50, error=25)),
    Case("exactly_the_quota", [tree(5, ms=200)], _sampling(10, _SLOW, _REST, slow=50, rest=50)),
    Case("over_its_quota_it_does_not_fall_through", [tree(6, ms=200)], _sampling(100, _SLOW, _REST, slow=5, rest=90)),
    Case("over_the_quota_of_the_rest", [tree(11)], _sampling(100, _SLOW, _REST, slow=50, rest=10)),
    Case(
        "both_match_and_the_first_of_the_file_counts",
        [tree(2, ms=200, status=ERROR)],
        _sampling(100, _ERROR, _SLOW, error=50, slow=50),
    ),
    Case(
        "policy_order_changes_nothing",
        [tree(2, ms=200, status=ERROR)],
        _sampling(100, _ERROR, _SLOW, order="slow, error", error=1, slow=50),
    ),
    Case("without_allocations_shares_are_equal", [tree(50, ms=200)], _sampling(100, _SLOW, _REST)),
    Case("without_allocations_one_over_an_equal_share", [tree(51, ms=200)], _sampling(100, _SLOW, _REST)),
    Case("equal_shares_are_rounded_down", [tree(3, ms=200)], _sampling(10, _SLOW, _ERROR, _REST)),
    Case("equal_shares_are_not_rounded_up", [tree(4, ms=200)], _sampling(10, _SLOW, _ERROR, _REST)),
    Case("a_percentage_is_rounded_down", [tree(4)], _sampling(10, _REST, rest=39)),
    Case("a_third_of_ten_is_three", [tree(3)], _sampling(10, _REST, rest=33)),
    Case("twenty_nine_percent_of_a_hundred_in_floats", [tree(29)], _sampling(100, _REST, rest=29)),
    Case("twenty_eight_of_twenty_nine_percent", [tree(28)], _sampling(100, _REST, rest=29)),
    Case("fifty_seven_percent_of_a_hundred_in_floats", [tree(57)], _sampling(100, _REST, rest=57)),
    Case("fifty_five_percent_of_a_hundred", [tree(55)], _sampling(100, _REST, rest=55)),
    Case("a_percentage_of_zero_is_an_equal_share", [tree(50, ms=200)], _sampling(100, _SLOW, _REST, slow=0, rest=10)),
    Case("left_out_of_the_allocations_is_an_equal_share", [tree(50)], _sampling(100, _SLOW, _REST, slow=10)),
    Case("left_out_of_the_allocations_one_over", [tree(51)], _sampling(100, _SLOW, _REST, slow=10)),
    Case("allocations_over_a_hundred_percent_meet_the_total", [tree(11)], _sampling(10, _REST, rest=200)),
    Case(
        "allocations_may_exceed_the_total_together",
        [tree(9, 1, ms=200), tree(9, 2)],
        _sampling(10, _SLOW, _REST, slow=90, rest=90),
    ),
    Case("a_total_of_zero", [tree(1)], _sampling(0, _REST, rest=100)),
    Case("an_and_inside", [tree(2, ms=200, status=ERROR)], _sampling(100, _SLOW_ERROR, _REST, slow_error=50, rest=50)),
    Case(
        "an_and_inside_that_does_not_match",
        [tree(2, ms=200)],
        _sampling(100, _SLOW_ERROR, _REST, slow_error=50, rest=50),
    ),
    Case("an_error_in_a_sub_policy_ends_it", [[span(i=1)]], _sampling(100, _BROKEN, _REST)),
    Case("an_error_in_a_sub_policy_behind_a_match", [[span(i=1, ms=200)]], _sampling(100, _SLOW, _BROKEN)),
    Case("a_share_inside_weighs_one", [[span(1, t) for t in range(1, 21)]], _sampling(1000, share(50))),
    Case("another_policy_wins_before_it", [tree(2)], sampling(ALL, _composite(100, _REST))),
    Case("another_policy_samples_what_is_over_quota", [tree(20)], sampling(_composite(10, _REST), ALL)),
    Case(
        "two_composites", [tree(4, ms=200)], sampling(_composite(4, _SLOW, _REST), _composite(4, _SLOW, name="other"))
    ),
    Case(
        "two_traces_of_which_one_is_within_quota",
        [[*tree(4, 1), *tree(4, 2)]],
        _sampling(7, _REST, rest=100),
        totals_only=_ORDER,
    ),
    Case("a_smaller_trace_after_one_over_quota", [[*tree(20, 1), *tree(4, 2)]], _sampling(7, _REST, rest=100)),
    Case(
        "many_traces_of_one_span",
        [[span(1, t) for t in range(1, 21)]],
        _sampling(7, _REST, rest=100),
        totals_only=_ORDER,
    ),
    Case("a_new_second_has_a_new_quota", [tree(7, 1), LATER, tree(7, 2)], _sampling(7, _REST, rest=100)),
]
