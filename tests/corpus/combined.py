"""`not`, `and` and `drop`, several policies at once, and which of them wins and writes its threshold."""

from __future__ import annotations

from tests.corpus.case import Case, sampling
from tests.corpus.probabilistic import share
from tests.corpus.spans import ERROR, resource, span

ALL = "{name: all, type: always_sample}"
_SLOW = "{name: slow, type: latency, latency: {threshold_ms: 100}}"
_ERROR = "{name: error, type: status_code, status_code: {status_codes: [ERROR]}}"
_HEALTH = "{name: health, type: string_attribute, string_attribute: {key: path, values: [/health]}}"
_BROKEN = "{name: broken, type: ottl_condition, ottl_condition: {error_mode: propagate, span: ['Len(attributes[\"i\"]) > 0']}}"
_INVERTED = (
    "{name: inverted, type: string_attribute, string_attribute: {key: path, values: [/health], invert_match: true}}"
)


def _not(policy: str, name: str = "negated") -> str:
    return f"{{name: {name}, type: not, not: {{not_sub_policy: {policy}}}}}"


def _and(*policies: str, name: str = "both") -> str:
    return f"{{name: {name}, type: and, and: {{and_sub_policy: [{', '.join(policies)}]}}}}"


def _drop(*policies: str, name: str = "dropped") -> str:
    return f"{{name: {name}, type: drop, drop: {{drop_sub_policy: [{', '.join(policies)}]}}}}"


_quick, _slow = span(ms=10), span(ms=200)
_failed, _slow_failed = span(ms=10, status=ERROR), span(ms=200, status=ERROR)
_healthy_slow = span(ms=200, path="/health")
_FIRST = "sample_on_first_match: true"

CASES = [
    Case("no_policy_matches", [[_quick]], sampling(_SLOW, _ERROR)),
    Case("the_second_policy_matches", [[_failed]], sampling(_SLOW, _ERROR)),
    Case("both_match_and_the_first_is_recorded", [[_slow_failed]], sampling(_SLOW, _ERROR)),
    Case("not_sampled_is_no_veto", [[_quick]], sampling(_ERROR, _SLOW, ALL)),
    Case("inverted_not_sampled_is_no_veto", [[_healthy_slow]], sampling(_INVERTED, _SLOW)),
    Case("not_of_a_match", [[_slow]], sampling(_not(_SLOW))),
    Case("not_of_no_match", [[_quick]], sampling(_not(_SLOW))),
    Case("not_of_always", [[_quick]], sampling(_not(ALL))),
    Case("not_of_an_inverted_match", [[_healthy_slow]], sampling(_not(_INVERTED))),
    Case("not_of_an_error", [[span(i=1)]], sampling(_not(_BROKEN))),
    Case("not_of_a_share_everything", [[span(1, t)] for t in range(1, 6)], sampling(_not(share(100)))),
    Case("not_of_a_share_is_the_complement", [[span(1, t) for t in range(1, 41)]], sampling(_not(share(50)))),
    Case("and_of_two_matches", [[_slow_failed]], sampling(_and(_SLOW, _ERROR))),
    Case("and_of_one_match", [[_slow]], sampling(_and(_SLOW, _ERROR))),
    Case("and_of_one", [[_slow]], sampling(_and(_SLOW))),
    Case("and_of_matches_on_different_spans", [[_slow, span(2, 1, 1, status=ERROR)]], sampling(_and(_SLOW, _ERROR))),
    Case("and_with_not", [[_slow]], sampling(_and(_SLOW, _not(_HEALTH)))),
    Case("and_with_not_of_a_match", [[_healthy_slow]], sampling(_and(_SLOW, _not(_HEALTH)))),
    Case("and_with_an_inverted_match", [[_slow]], sampling(_and(_SLOW, _INVERTED))),
    Case("and_with_an_error", [[span(ms=200, i=1)]], sampling(_and(_SLOW, _BROKEN))),
    Case("and_with_an_error_behind_no_match", [[span(ms=10, i=1)]], sampling(_and(_SLOW, _BROKEN))),
    Case("and_with_an_error_beside_another_match", [[span(ms=200, i=1)]], sampling(_and(_SLOW, _BROKEN), ALL)),
    Case(
        "and_takes_the_strictest_threshold",
        [[span(1, t, ms=200) for t in range(1, 61)]],
        sampling(_and(share(50, "half"), _SLOW, share(25, "quarter"))),
    ),
    Case(
        "and_of_two_shares_of_different_salts",
        [[span(1, t) for t in range(1, 121)]],
        sampling(_and(share(50, "a", "a"), share(50, "b", "b"))),
    ),
    Case("drop_beats_always", [[_healthy_slow]], sampling(ALL, _drop(_HEALTH))),
    Case("drop_that_does_not_match", [[_slow]], sampling(ALL, _drop(_HEALTH))),
    Case("drop_alone_that_does_not_match", [[_slow]], sampling(_drop(_HEALTH))),
    Case("drop_needs_all_of_its_policies", [[_healthy_slow]], sampling(ALL, _drop(_HEALTH, _ERROR))),
    Case(
        "drop_when_all_of_its_policies_match",
        [[span(status=ERROR, path="/health")]],
        sampling(ALL, _drop(_HEALTH, _ERROR)),
    ),
    Case("drop_with_not", [[_healthy_slow]], sampling(ALL, _drop(_HEALTH, _not(_ERROR)))),
    Case(
        "drop_with_not_of_a_match", [[span(status=ERROR, path="/health")]], sampling(ALL, _drop(_HEALTH, _not(_ERROR)))
    ),
    Case("drop_with_an_error_does_not_drop", [[span(i=1, path="/health")]], sampling(ALL, _drop(_HEALTH, _BROKEN))),
    Case("drop_by_a_child_drops_the_trace", [[_slow, span(2, 1, 1, path="/health")]], sampling(ALL, _drop(_HEALTH))),
    Case("drop_by_the_resource", [[span(resource=resource(path="/health"))]], sampling(ALL, _drop(_HEALTH))),
    Case("drop_beats_the_first_match", [[_healthy_slow]], sampling(ALL, _drop(_HEALTH), settings=_FIRST)),
    Case(
        "two_drops_and_the_second_matches",
        [[_healthy_slow]],
        sampling(_drop(_ERROR), ALL, _drop(_HEALTH, name="second")),
    ),
    Case("an_error_is_no_vote", [[span(i=1)]], sampling(_BROKEN)),
    Case("an_error_beside_a_match", [[span(i=1)]], sampling(_BROKEN, ALL)),
    Case(
        "a_match_beats_a_share_and_weighs_one", [[span(1, t, ms=200) for t in range(1, 21)]], sampling(share(25), _SLOW)
    ),
    Case(
        "a_share_of_what_does_not_match",
        [[span(1, t, ms=200 if t % 4 == 0 else 10) for t in range(1, 41)]],
        sampling(_SLOW, share(25)),
    ),
    Case("first_match_is_recorded", [[_slow_failed]], sampling(_SLOW, _ERROR, settings=_FIRST)),
    Case(
        "first_match_writes_its_own_threshold",
        [[span(1, t, ms=200) for t in range(1, 21)]],
        sampling(share(25), _SLOW, settings=_FIRST),
    ),
    Case(
        "first_match_off_writes_the_loosest_threshold",
        [[span(1, t, ms=200) for t in range(1, 21)]],
        sampling(share(25), _SLOW, settings="sample_on_first_match: false"),
    ),
    Case("first_match_comes_second", [[_failed]], sampling(_SLOW, _ERROR, settings=_FIRST)),
    Case("no_policies_at_all", [[_slow]], "policies: []"),
]
