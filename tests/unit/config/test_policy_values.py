"""Policies are written as JSON values, and read as the same policies: stores keep them for months."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from otel_fe.config import policies
from otel_fe.config.ottl import OttlSyntaxError, parse_condition
from otel_fe.config.policy_values import policy_of, values_of

LATENCY = policies.Latency("slow", 99, 200)
CONDITIONS = (parse_condition('attributes["a"] == "b"', "span"), parse_condition('name == "GET"', "span"))
EVERY_KIND = (
    policies.AlwaysSample("all"),
    LATENCY,
    policies.LeastDuration("long", 5),
    policies.SloBreach("breach"),
    policies.ConsistentShare("share", 0.1),
    policies.NumericAttribute("number", "key", None, 5, True),
    policies.StringAttribute("text", "key", ("a", "b"), True, 5),
    policies.BooleanAttribute("truth", "key", False),
    policies.Probabilistic("half", 0.5, "salt"),
    policies.StatusCode("failed", frozenset({2, 0})),
    policies.TraceState("state", "key", ("a",)),
    policies.TraceFlags("flags"),
    policies.SpanCount("spans", 3, 9),
    policies.RateLimiting("rate", 10, 20),
    policies.BytesLimiting("bytes", 10, 20),
    policies.OttlCondition("condition", CONDITIONS, (parse_condition('name == "exception"', "spanevent"),), "ignore"),
    policies.Not("not", LATENCY),
    policies.And("and", (LATENCY, policies.Not("not", LATENCY))),
    policies.Drop("drop", (LATENCY,)),
    policies.Composite("composite", 100, (policies.Allocation(LATENCY, 60), policies.Allocation(LATENCY, 40))),
)


def test_every_kind_of_policy_is_read_as_it_was_written():
    """Through JSON, nested or not."""
    assert {type(policy) for policy in EVERY_KIND} == set(get_args(policies.Policy))
    for policy in EVERY_KIND:
        assert policy_of(json.loads(json.dumps(values_of(policy)))) == policy


def test_the_format_stays():
    """Every later version reads what stores of this version hold."""
    written = (
        '{"type": "and", "name": "both", "policies": [{"type": "status_code", "name": "failed", "status_codes": {"any_of": [2]}}, '
        '{"type": "ottl_condition", "name": "get", "span": [{"condition": "name == \\"GET\\"", "context": "span"}], "span_event": [], '
        '"error_mode": "silent"}]}'
    )
    get = policies.OttlCondition("get", (CONDITIONS[1],), ())
    both = policies.And("both", (policies.StatusCode("failed", frozenset({2})), get))
    assert policy_of(json.loads(written)) == both
    assert json.dumps(values_of(both)) == written


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"type": "of a later version", "name": "a"}, KeyError),
        ({"type": "latency", "name": "a", "threshold_ms": 1, "more": 2}, TypeError),
        (
            {
                "type": "ottl_condition",
                "name": "a",
                "span": [{"condition": "name ~ 1", "context": "span"}],
                "span_event": [],
            },
            OttlSyntaxError,
        ),
    ],
)
def test_what_this_version_does_not_have_is_an_error(values, error):
    """A reader explains such decisions without votes."""
    with pytest.raises(error):
        policy_of(values)
