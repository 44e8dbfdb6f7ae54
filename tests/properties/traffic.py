"""Arbitrary spans, as far as OTLP can carry them, and every kind of policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from otel_fe.config.collector import read_collector_config
from otel_fe.model.span import Event, Resource, Scope, Span
from otel_fe.pipeline.tail_sampler import TailSampler
from otel_fe.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_fe.config.policies import TailSampling
    from otel_fe.model.decision import Decision

UINT64 = (1 << 64) - 1
INT32 = st.integers(-(1 << 31), (1 << 31) - 1)
KEYS = st.sampled_from(["shop", "n", "ok", "service.name", "db.system", "feature_extraction.feature_set", "", "ü"])

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(allow_nan=True),
    st.text(max_size=8),
    st.binary(max_size=4),
)
VALUES = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=4,
)
ATTRIBUTES = st.dictionaries(KEYS, VALUES, max_size=4)
TRACE_STATES = st.one_of(
    st.just(""),
    st.sampled_from(
        ["ot=th:8", "ot=th:0", "ot=rv:ffffffffffffff", "ot=th:c;rv:fedcba98765432,a=b", "shop=keep", "=,="]
    ),
    st.text(max_size=12),
)
RESOURCES = [Resource({"service.name": "a"}), Resource({"service.name": "b", "shop": "yes"}), Resource({})]
SCOPES = [Scope(), Scope("lib", "1")]

SPANS = st.builds(
    Span,
    trace_id=st.integers(1, 5),
    span_id=st.integers(1, 6),
    parent_id=st.one_of(st.just(0), st.integers(1, 6)),
    name=st.text(max_size=4),
    kind=st.one_of(st.integers(0, 5), INT32),
    start_ns=st.one_of(st.integers(0, UINT64), st.integers(0, 10**9)),
    end_ns=st.one_of(st.integers(0, UINT64), st.integers(0, 10**9)),
    status=st.one_of(st.integers(0, 2), INT32),
    trace_state=TRACE_STATES,
    flags=st.integers(0, (1 << 32) - 1),
    attributes=ATTRIBUTES,
    events=st.lists(st.builds(Event, name=st.text(max_size=3), attributes=ATTRIBUTES), max_size=2),
    resource=st.sampled_from(RESOURCES),
    scope=st.sampled_from(SCOPES),
)

POLICIES = {
    "all": "{type: always_sample}",
    "error": "{type: status_code, status_code: {status_codes: [ERROR]}}",
    "slow": "{type: latency, latency: {threshold_ms: 99}}",
    "between": "{type: latency, latency: {threshold_ms: 10, upper_threshold_ms: 400}}",
    "numeric": "{type: numeric_attribute, numeric_attribute: {key: n, min_value: 5, max_value: 900}}",
    "string": "{type: string_attribute, string_attribute: {key: shop, values: ['y.*'], enabled_regex_matching: true}}",
    "inverted": "{type: string_attribute, string_attribute: {key: shop, values: ['yes'], invert_match: true}}",
    "boolean": "{type: boolean_attribute, boolean_attribute: {key: ok, value: true}}",
    "share": "{type: probabilistic, probabilistic: {sampling_percentage: 40}}",
    "salted": "{type: probabilistic, probabilistic: {sampling_percentage: 30, hash_salt: own}}",
    "state": "{type: trace_state, trace_state: {key: shop, values: [keep]}}",
    "flags": "{type: trace_flags}",
    "count": "{type: span_count, span_count: {min_spans: 2, max_spans: 4}}",
    "rate": "{type: rate_limiting, rate_limiting: {spans_per_second: 3}}",
    "bytes": "{type: bytes_limiting, bytes_limiting: {bytes_per_second: 500}}",
    "ottl": (
        "{type: ottl_condition, ottl_condition: {error_mode: propagate, span: "
        '[\'attributes["n"] > 3 and IsMatch(name, "a")\'], spanevent: [\'attributes["ok"] == true\']}}'
    ),
    "like": (
        "{type: ottl_condition, ottl_condition: {error_mode: ignore, span: "
        '[\'attributes["n"] + 0 > 3 and IsMatch(name, "[ac]") and resource.attributes["shop"] != "no"\']}}'
    ),
    "program": (
        "{type: ottl_condition, ottl_condition: {error_mode: propagate, span: "
        '[\'attributes["shop"] == "yes" and resource.attributes["shop"] == nil\', '
        '\'attributes["n"] > 3 and not (IsMatch(name, "^a") or attributes["ok"] + 1 == 2)\']}}'
    ),
    "and": (
        "{type: and, and: {and_sub_policy: [{name: a, type: trace_flags}, "
        "{name: b, type: not, not: {not_sub_policy: {name: c, type: probabilistic, "
        "probabilistic: {sampling_percentage: 50}}}}]}}"
    ),
    "drop": "{type: drop, drop: {drop_sub_policy: [{name: a, type: string_attribute, string_attribute: {key: shop, values: [no]}}]}}",
    "composite": (
        "{type: composite, composite: {max_total_spans_per_second: 4, policy_order: [a, b], composite_sub_policy: "
        "[{name: a, type: trace_flags}, {name: b, type: always_sample}]}}"
    ),
    "limited": (
        "{type: and, and: {and_sub_policy: [{name: a, type: string_attribute, string_attribute: "
        "{key: shop, values: [yes, no], invert_match: true}}, {name: b, type: rate_limiting, rate_limiting: {spans_per_second: 2}}, "
        "{name: c, type: bytes_limiting, bytes_limiting: {bytes_per_second: 300}}]}}"
    ),
    "unlimited": "{type: not, not: {not_sub_policy: {name: a, type: rate_limiting, rate_limiting: {spans_per_second: 4}}}}",
    "spared": "{type: drop, drop: {drop_sub_policy: [{name: a, type: rate_limiting, rate_limiting: {spans_per_second: 1}}]}}",
    "shares": (
        "{type: composite, composite: {max_total_spans_per_second: 5, policy_order: [a, b, c], composite_sub_policy: "
        "[{name: a, type: probabilistic, probabilistic: {sampling_percentage: 50}}, "
        "{name: b, type: ottl_condition, ottl_condition: {error_mode: ignore, span: ['attributes[\"n\"] > 3']}}, "
        "{name: c, type: status_code, status_code: {status_codes: [UNSET, OK]}}]}}"
    ),
    "limited_share": (
        "{type: composite, composite: {max_total_spans_per_second: 4, policy_order: [a, b], composite_sub_policy: "
        "[{name: a, type: rate_limiting, rate_limiting: {spans_per_second: 2}}, {name: b, type: always_sample}]}}"
    ),
}
"""At least one of each kind, by name: the YAML of its settings."""

LIMITERS = ("rate", "bytes", "composite", "limited", "unlimited", "spared", "shares", "limited_share")
"""Those that compare the traces of a round."""

_BUDGETS = [
    f"type: {kind}, {kind}: {{{unit}_per_second: {rate}, burst_capacity: {burst}}}"
    for kind, unit, amounts in [
        ("rate_limiting", "spans", [(1, 1), (2, 4), (4, 4), (9, 40)]),
        ("bytes_limiting", "bytes", [(40, 80), (200, 300), (600, 600)]),
    ]
    for rate, burst in amounts
]
_HOLDERS = {"rate", "bytes", "and", "drop", "composite", "limited", "unlimited", "spared", "shares", "limited_share"}
_OTHERS = [text[1:-1] for name, text in POLICIES.items() if name not in _HOLDERS]
_LEAVES = st.sampled_from(_BUDGETS) | st.sampled_from(_OTHERS)


def _named(policies):
    return "[" + ", ".join(f"{{name: p{place}, {text}}}" for place, text in enumerate(policies)) + "]"


def _holding(kind, held, most):
    return st.lists(held, min_size=1, max_size=most).map(
        lambda policies: f"type: {kind}, {kind}: {{{kind}_sub_policy: {_named(policies)}}}"
    )


_NOT = _LEAVES.map(lambda text: f"type: not, not: {{not_sub_policy: {{name: p, {text}}}}}")
_AND = _holding("and", _LEAVES | _NOT, 4)
_COMPOSITE = st.builds(
    lambda policies, total: (
        f"type: composite, composite: {{max_total_spans_per_second: {total}, composite_sub_policy: {_named(policies)}}}"
    ),
    st.lists(_LEAVES | _AND, min_size=1, max_size=4),
    st.integers(1, 20),
)
NESTED = st.one_of(_LEAVES, _NOT, _AND, _holding("drop", _LEAVES | _NOT, 3), _COMPOSITE)
"""The settings of a policy: limiters and others, nested in each other as deep as the Collector allows."""


def tail_sampling(*names, settings=""):
    """Return the settings of a processor with these policies."""
    return nested_sampling([POLICIES[name][1:-1] for name in names], names, settings)


def nested_sampling(policies, names=None, settings=""):
    """Return the settings of a processor with policies given as the YAML of their settings."""
    named = zip(names or [f"q{place}" for place in range(len(policies))], policies, strict=True)
    written = "\n".join(f"      - {{name: {name}, {policy}}}" for name, policy in named)
    text = f"""
receivers: {{otlp: {{protocols: {{grpc: {{}}}}}}}}
exporters: {{nop: {{}}}}
processors:
  tail_sampling:
    decision_wait: 5s
{settings}
    policies:
{written}
service: {{pipelines: {{traces: {{receivers: [otlp], processors: [tail_sampling], exporters: [nop]}}}}}}
"""
    (found,) = read_collector_config(text, "test.yaml", {}).processors.values()
    return found


def clock() -> FakeClock:
    """Return a clock that moves on request, far from its beginning; both of its times begin alike."""
    return FakeClock(time_ns=10**18, monotonic_ns=10**18)


class SamplerBench:
    """A tail sampler, its clock, and what it delivered.

    Args:
        settings: Of the sampler.
        make: Its class.
        lost: Why its deliveries are dropped; "" where they are not.
        more: Further arguments of `make`.
    """

    def __init__(
        self, settings: TailSampling, make: Callable[..., TailSampler] = TailSampler, *, lost: str = "", **more: Any
    ) -> None:
        self.clock = clock()
        self.delivered: list[tuple[int, list[Any], Decision]] = []
        self.lost = lost
        self.sampler = make(settings, self.clock, self.deliver, **more)

    def deliver(self, trace_id: int, spans: Sequence[Any], decision: Decision) -> str:
        """Take a trace, as the sampler's `deliver`."""
        self.delivered.append((trace_id, list(spans), decision))
        return self.lost

    def wait(self, seconds: int = 6) -> None:
        """Let time pass, with a tick each second."""
        for _ in range(seconds):
            self.clock.advance(1)
            self.sampler.tick()
