from __future__ import annotations

import pytest

from otel_fe.config import policies
from otel_fe.config.ottl import parse_condition
from otel_fe.config.tail_sampling import TAIL_SAMPLING
from tests.unit.config.reads import read, read_reporting


def policy(text):
    """Return the one policy of a processor, or what is wrong with it, without the key's beginning."""
    result = read(TAIL_SAMPLING, f"policies: [{text}]")
    if isinstance(result, policies.TailSampling):
        return result.policies[0]
    return [line.split(": ", 1)[1].removeprefix("policies[0]") for line in result.splitlines()]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{name: a, type: always_sample}", policies.AlwaysSample("a")),
        ("{name: a, type: always_sample, always_sample: {}}", policies.AlwaysSample("a")),
        ("{name: a, type: trace_flags}", policies.TraceFlags("a")),
        ("{name: a, type: latency, latency: {threshold_ms: 5}}", policies.Latency("a", 5, 0)),
        ("{name: a, type: latency, latency: {upper_threshold_ms: 5}}", policies.Latency("a", 0, 5)),
        (
            "{name: a, type: numeric_attribute, numeric_attribute: {key: k, min_value: -5, invert_match: true}}",
            policies.NumericAttribute("a", "k", -5, None, True),
        ),
        (
            "{name: a, type: numeric_attribute, numeric_attribute: {key: k, min_value: 0, max_value: 5}}",
            policies.NumericAttribute("a", "k", None, 5),
        ),
        (
            "{name: a, type: string_attribute, string_attribute: {key: k, values: 'x,y', cache_max_size: 0}}",
            policies.StringAttribute("a", "k", ("x", "y")),
        ),
        (
            "{name: a, type: boolean_attribute, boolean_attribute: {key: k}}",
            policies.BooleanAttribute("a", "k", False),
        ),
        (
            "{name: a, type: probabilistic, probabilistic: {sampling_percentage: 12.5}}",
            policies.Probabilistic("a", 0.125, "default-hash-seed"),
        ),
        (
            "{name: a, type: probabilistic, probabilistic: {sampling_percentage: 0, hash_salt: ''}}",
            policies.Probabilistic("a", 0.0),
        ),
        (
            "{name: a, type: status_code, status_code: {status_codes: [OK, UNSET]}}",
            policies.StatusCode("a", frozenset({0, 1})),
        ),
        (
            "{name: a, type: trace_state, trace_state: {key: k, values: [v]}}",
            policies.TraceState("a", "k", ("v",)),
        ),
        ("{name: a, type: span_count, span_count: {max_spans: 3}}", policies.SpanCount("a", 0, 3)),
        (
            "{name: a, type: rate_limiting, rate_limiting: {spans_per_second: 5}}",
            policies.RateLimiting("a", 5, 10),
        ),
        (
            "{name: a, type: bytes_limiting, bytes_limiting: {bytes_per_second: 5, burst_capacity: 7}}",
            policies.BytesLimiting("a", 5, 7),
        ),
        (
            "{name: a, type: ottl_condition, ottl_condition: {span: ['name == \"x\"'], error_mode: IGNORE}}",
            policies.OttlCondition("a", (parse_condition('name == "x"', "span"),), (), "ignore"),
        ),
        (
            "{name: a, type: ottl_condition, ottl_condition: {spanevent: ['name == \"x\"']}}",
            policies.OttlCondition("a", (), (parse_condition('name == "x"', "spanevent"),), "silent"),
        ),
        (
            "{name: a, type: not, not: {not_sub_policy: {name: b, type: always_sample}}}",
            policies.Not("a", policies.AlwaysSample("b")),
        ),
        (
            "{name: a, type: and, and: {and_sub_policy: [{name: b, type: always_sample}, {name: c, type: trace_flags}]}}",
            policies.And("a", (policies.AlwaysSample("b"), policies.TraceFlags("c"))),
        ),
        (
            "{name: a, type: drop, drop: {drop_sub_policy: [{name: b, type: always_sample}]}}",
            policies.Drop("a", (policies.AlwaysSample("b"),)),
        ),
    ],
)
def test_policies(text, value):
    """Every type, with the Collector's defaults."""
    assert policy(text) == value


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("{type: trace_flags}", [": give the policy a name"]),
        ("{name: a}", [": give the policy a type"]),
        ("{name: '', type: trace_flags}", ["::name: use a string that is not empty"]),
        ("{name: a, type: Latency}", ["::type: Latency: there is no such type of policy; did you mean latency?"]),
        ("{name: a, type: latency}", [": give the policy its settings, under latency"]),
        ("{name: a, type: latency, latency: {}}", ["::latency: give threshold_ms or upper_threshold_ms"]),
        (
            "{name: a, type: trace_flags, trace_flag: {}}",
            ["::trace_flag: there is no such key; did you mean trace_flags?"],
        ),
        (
            "{name: a, type: trace_flags, latency: {threshold_ms: 1}}",
            ["::latency: only a policy of type latency has this key, and the type is trace_flags; remove one of them"],
        ),
        ("{name: a, type: always_sample, always_sample: {x: 1}}", ["::always_sample::x: there is no such key"]),
        (
            "{name: a, type: numeric_attribute, numeric_attribute: {min_value: 0}}",
            [
                "::numeric_attribute: give min_value or max_value, other than 0 (which is no bound)",
                "::numeric_attribute::key: give the attribute's key",
            ],
        ),
        (
            "{name: a, type: trace_state, trace_state: {key: k, values: [" + "v" * 255 + "]}}",
            ["::trace_state::values: use at most 255 characters for key and value; no tracestate has more"],
        ),
        (
            "{name: a, type: probabilistic, probabilistic: {}}",
            ["::probabilistic::sampling_percentage: give sampling_percentage, from 0 to 100"],
        ),
        (
            "{name: a, type: ottl_condition, ottl_condition: {span: []}}",
            ["::ottl_condition: give at least one condition, under span or spanevent"],
        ),
        ("5", [": 5: use a mapping"]),
    ],
)
def test_wrong_policies(text, problems):
    """Each problem names the invalid setting and the valid form."""
    assert sorted(policy(text)) == problems


@pytest.mark.parametrize("holder", ["not", "and", "drop", "composite"])
@pytest.mark.parametrize("inner", ["trace_flags", "not", "and", "drop", "composite"])
def test_which_policies_may_hold_which(holder, inner):
    """Nesting is limited as in the Collector: `not` in `and` and `drop`, `and` in `composite`, and no other nesting."""
    allowed = {("and", "not"), ("drop", "not"), ("composite", "and")}
    sub = f"{{name: b, type: {inner}}}" if holder == "not" else f"[{{name: b, type: {inner}}}]"
    total = "max_total_spans_per_second: 1, " if holder == "composite" else ""
    found = policy(f"{{name: a, type: {holder}, {holder}: {{{total}{holder}_sub_policy: {sub}}}}}")
    refusal = f"a policy of this type cannot be nested in one of type {holder}"
    refused = isinstance(found, list) and any(refusal in line for line in found)
    assert refused == (inner != "trace_flags" and (holder, inner) not in allowed)


def composite(total, shares, *names):
    subs = ", ".join(f"{{name: {name}, type: always_sample}}" for name in names)
    settings = f"max_total_spans_per_second: {total}, rate_allocation: [{shares}], composite_sub_policy: [{subs}]"
    return policy(f"{{name: c, type: composite, composite: {{{settings}}}}}")


@pytest.mark.parametrize(
    ("total", "shares", "names", "allocated"),
    [
        (1000, "{policy: a, percent: 50}, {policy: b, percent: 25}", "abc", [500, 250, 333]),
        (7, "", "abc", [2, 2, 2]),
        (100, "{policy: a, percent: 0}", "ab", [50, 50]),
        (100, "{policy: a, percent: 29}", "a", [28]),  # 29 / 100 * 100 is a little less than 29 in floating point
        (10, "{policy: a, percent: 100}", "a", [10]),
    ],
)
def test_a_composite_shares_its_rate_as_the_collector_does(total, shares, names, allocated):
    """A percentage of the total, else an equal part of it, rounded down."""
    value = composite(total, shares, *names)
    assert [allocation.spans_per_second for allocation in value.allocations] == allocated
    assert [allocation.policy.name for allocation in value.allocations] == list(names)


def test_an_order_that_is_not_followed_is_a_warning():
    """The Collector evaluates sub-policies as they are written, whatever `policy_order` says."""
    subs = "[{name: a, type: always_sample}, {name: b, type: always_sample}]"
    text = f"composite: {{max_total_spans_per_second: 1, policy_order: [b, a], composite_sub_policy: {subs}}}"
    value, report = read_reporting(TAIL_SAMPLING, f"policies: [{{name: c, type: composite, {text}}}]")
    assert [allocation.policy.name for allocation in value.policies[0].allocations] == ["a", "b"]
    assert ["this changes nothing" in str(warning) for warning in report.warnings] == [True]


def test_more_than_all_is_a_warning():
    """The Collector documents it as all."""
    text = "policies: [{name: a, type: probabilistic, probabilistic: {sampling_percentage: 150}}]"
    value, report = read_reporting(TAIL_SAMPLING, text)
    assert (value.policies[0].sampling_ratio, len(report.warnings)) == (1.0, 1)


def test_a_bound_of_zero_is_a_warning():
    """A bound of 0 means no bound, as in the Collector, and is a warning."""
    text = "policies: [{name: a, type: numeric_attribute, numeric_attribute: {key: k, min_value: 0, max_value: 5}}]"
    assert [str(warning).split(": ", 2)[2] for warning in read_reporting(TAIL_SAMPLING, text)[1].warnings] == [
        "0 means no bound, as in the Collector; to match exactly 0 use ottl_condition"
    ]


def test_the_processors_own_keys():
    """The processor's keys override the Collector's defaults."""
    one = "policies: [{name: a, type: trace_flags}]"
    assert read(TAIL_SAMPLING, one) == policies.TailSampling((policies.TraceFlags("a"),))
    value = read(
        TAIL_SAMPLING,
        f"""
decision_wait: 5s
decision_wait_after_root_received: 100ms
num_traces: 10
expected_new_traces_per_sec: 1
decision_cache: {{sampled_cache_size: 2, non_sampled_cache_size: 3}}
sample_on_first_match: true
sampling_strategy: trace-complete
drop_pending_traces_on_shutdown: true
maximum_trace_size_bytes: 4
block_on_overflow: true
num_shards: 8
{one}
""",
    )
    assert value == policies.TailSampling(
        policies=(policies.TraceFlags("a"),),
        decision_wait_ns=5_000_000_000,
        decision_wait_after_root_received_ns=100_000_000,
        num_traces=10,
        expected_new_traces_per_sec=1,
        sampled_cache_size=2,
        non_sampled_cache_size=3,
        sample_on_first_match=True,
        maximum_trace_size_bytes=4,
        drop_pending_traces_on_shutdown=True,
        block_on_overflow=True,
    )


@pytest.mark.parametrize("text", ["{}", "policies: []", "policies:"])
def test_there_is_at_least_one_policy(text):
    """The Collector would start, and sample nothing."""
    assert read(TAIL_SAMPLING, text) == "f:1:1: policies: give at least one policy"
