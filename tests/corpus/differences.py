"""The deliberate differences from the original, each with its reason.

Our own answers stand in `ours.json`, the original's in `recorded.json`; tests hold both. A case that is refused is one that the
original takes and that cannot mean what its author wants: our reader says so, with the line.
"""

from __future__ import annotations

_LATE = "a late span of a kept trace weighs what its trace does; the original leaves it without a weight"
_REMEMBERED = f"{_LATE}; and we remember decisions whether a cache is asked for or not"
_WHOLE = "latency is of the whole trace, whatever the order of its spans; the original looks at it after each span"
_SALTS = (
    "policies with hashes of different salts sample independently: the weight is that of their union or intersection"
)
_SUM = "durations are added up as whole nanoseconds; the original adds up floats"
_QUOTA = "a composite weighs what its sub-policy and its quota make of a trace; the original gives it no weight"

ANSWERS = {
    **{
        f"shape/{name}": _LATE
        for name in (
            "late_span_of_a_sampled_trace",
            "late_root_of_a_sampled_trace",
            "late_span_beside_a_new_trace",
            "late_spans_twice",
            "late_span_of_a_share",
            "late_span_with_randomness_of_its_own",
        )
    },
    "settings/late_span_of_a_cached_sampled_trace": _LATE,
    "settings/late_span_of_a_trace_that_the_cache_forgot": _REMEMBERED,
    "settings/only_sampled_ones_cached": _REMEMBERED,
    "settings/size_of_late_spans_does_not_matter": _LATE,
    "settings/one_trace_more_than_num_traces": "past num_traces the original forgets its oldest trace; we decide it as it stands",
    "latency/a_span_within_bounds_in_a_trace_above_them_short_first": _WHOLE,
    "latency/grows_through_the_bounds_span_by_span": _WHOLE,
    "latency/a_child_without_times_last": "a span without a start does not make a trace begin in 1970, in whatever order it comes",
    "probabilistic/two_shares_of_different_salts": _SALTS,
    "combined/and_of_two_shares_of_different_salts": _SALTS,
    "limiting/rate_in_and_with_a_share": "the hash that the share goes by and the randomness that the limiter goes by are independent: "
    "both must be passed, so the weight is the product",
    "combined/not_of_a_share_is_the_complement": "the complement of a share has a probability that no threshold says: `th` is left out",
    "combined/first_match_writes_its_own_threshold": "a later policy that would have sampled too makes the probability higher: it is asked",
    "composite/a_share_inside_weighs_one": _QUOTA,
    "composite/a_smaller_trace_after_one_over_quota": f"{_QUOTA}; and no smaller trace takes the place of one over quota, which "
    "would bias the weights",
    "calls/dimension_values_with_a_nul_share_a_series": "values that only look alike once they are joined are different values",
    "histogram/a_sum_of_floats": _SUM,
    "histogram/a_sum_of_floats_in_seconds": _SUM,
}
"""By case, why our answer is another one."""

REFUSED = {
    "latency/upper_below_lower": "use a value above threshold_ms",
    "numeric_attribute/minimum_above_maximum": "use at most max_value",
    "string_attribute/inverted_without_values": "use a list of at least one string",
    "string_attribute/without_values": "use a list of at least one string",
    "plain/count_without_bounds": "give min_spans or max_spans",
    "plain/count_minimum_above_maximum": "use at least min_spans",
    "trace_state/an_empty_value_wanted": "use a string that is not empty",
    "probabilistic/less_than_nothing": "use a number of at least 0",
    "probabilistic/percentage_left_out": "give the policy its settings",
    "combined/no_policies_at_all": "give at least one policy",
    "calls/derived_though_nothing_is_sampled": "give at least one policy",
    "composite/allocations_over_a_hundred_percent_meet_the_total": "use a whole number from 0 to 100",
    "composite/allocations_may_exceed_the_total_together": "use percentages that add up to at most 100",
    "composite/a_total_of_zero": "use a whole number of at least 1",
    "histogram/no_edges": "use a list of durations",
    "histogram/explicit_without_edges_is_not_the_default": "give buckets",
    "histogram/exponential_max_size_one": "use a whole number from 2",
    "series/a_temporality_of_another_name_is_cumulative": "use AGGREGATION_TEMPORALITY_CUMULATIVE or AGGREGATION_TEMPORALITY_DELTA",
}
"""By case, what our reader says that the settings need."""
