"""Series: one per resource and set of dimensions; bounded, expiring, cumulative or delta."""

from __future__ import annotations

from tests.corpus.case import LATER, Case
from tests.corpus.spans import Resource, resource, span

_NO_HISTOGRAM = "histogram: {disable: true}\n"
_DELTA = "aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA\n"
_FEW = "histogram: {explicit: {buckets: [10ms]}}\n"


def _named(*names: str, first: int = 1) -> list:
    return [span(number, name=name) for number, name in enumerate(names, first)]


_a, _b = resource(pid=1), resource(pid=2)
_shop, _mall = resource(), resource(service__name="mall")

CASES = [
    Case("two_services", [[span(1, resource=_shop), span(2, resource=_mall)]], span_metrics=_FEW),
    Case("one_service_of_two_processes", [[span(1, resource=_a), span(2, resource=_b)]], span_metrics=_FEW),
    Case(
        "one_resource_in_two_requests", [[span(1, resource=_a)], [span(2, resource=resource(pid=1))]], span_metrics=_FEW
    ),
    Case(
        "one_resource_twice_in_a_request",
        [[span(1, resource=_a), span(2, resource=_b), span(3, resource=_a)]],
        span_metrics=_FEW,
    ),
    Case(
        "the_order_of_attributes_does_not_matter",
        [
            [
                span(1, resource=Resource({"service.name": "s", "a": 1, "b": 2})),
                span(2, resource=Resource({"b": 2, "a": 1, "service.name": "s"})),
            ]
        ],
        span_metrics=_FEW,
    ),
    Case(
        "the_type_of_an_attribute_matters",
        [[span(1, resource=resource(pid=1)), span(2, resource=resource(pid="1"))]],
        span_metrics=_FEW,
    ),
    Case("without_a_service", [[span(1, resource=Resource({"a": 1})), span(2)]], span_metrics=_FEW),
    Case("without_any_attributes", [[span(1, resource=Resource())]], span_metrics=_FEW),
    Case("service_of_no_name", [[span(resource=resource(service__name=""))]], span_metrics=_FEW),
    Case("service_whose_name_is_a_number", [[span(resource=resource(service__name=5))]], span_metrics=_FEW),
    Case(
        "resource_of_every_type",
        [[span(resource=resource(i=1, d=1.5, b=True, x=b"\x00", a=[1], m={"k": "v"}, e=None))]],
        span_metrics=_FEW,
    ),
    Case(
        "key_attributes_join_resources_and_the_first_is_named",
        [[span(1, resource=_a), span(2, resource=_b)]],
        span_metrics=f"{_FEW}resource_metrics_key_attributes: [service.name]",
    ),
    Case(
        "key_attributes_still_tell_services_apart",
        [[span(1, resource=_shop), span(2, resource=_mall)]],
        span_metrics=f"{_FEW}resource_metrics_key_attributes: [service.name]",
    ),
    Case(
        "key_attributes_that_nobody_has",
        [[span(1, resource=_shop), span(2, resource=_mall)]],
        span_metrics=f"{_FEW}resource_metrics_key_attributes: [nothing]",
    ),
    Case("add_resource_attributes", [[span(resource=_a)]], span_metrics=f"{_FEW}add_resource_attributes: true"),
    Case("add_resource_attributes_off", [[span(resource=_a)]], span_metrics=f"{_FEW}add_resource_attributes: false"),
    Case(
        "a_cache_of_one_resource",
        [[span(1, resource=_a), span(2, resource=_b)]],
        span_metrics=f"{_FEW}resource_metrics_cache_size: 1",
    ),
    Case(
        "a_resource_that_the_cache_forgot_starts_anew",
        [[span(1, resource=_a), span(2, resource=_b)], LATER, [span(3, resource=_a)]],
        span_metrics=f"{_FEW}resource_metrics_cache_size: 1",
    ),
    Case("cumulative_over_several_flushes", [[span(1)], LATER, [span(2)], LATER, [span(3)]], span_metrics=_FEW),
    Case("cumulative_a_series_that_comes_later", [_named("a"), LATER, _named("b")], span_metrics=_FEW),
    Case("delta", [[span(1), span(2)]], span_metrics=_DELTA + _FEW),
    Case("delta_twice", [[span(1), span(2)], LATER, [span(3)]], span_metrics=_DELTA + _FEW),
    Case("delta_and_then_nothing_of_it", [_named("a"), LATER, _named("b")], span_metrics=_DELTA + _FEW),
    Case(
        "a_temporality_of_another_name_is_cumulative",
        [[span(1)], LATER, [span(2)]],
        span_metrics="aggregation_temporality: DELTA\n" + _FEW,
    ),
    Case("limit_not_reached", [_named("a", "b", "a")], span_metrics=f"{_FEW}aggregation_cardinality_limit: 3"),
    Case("limit_exactly_reached", [_named("a", "b", "c")], span_metrics=f"{_FEW}aggregation_cardinality_limit: 3"),
    Case("limit_overflows", [_named("a", "b", "c", "d", "e")], span_metrics=f"{_FEW}aggregation_cardinality_limit: 2"),
    Case("limit_of_one", [_named("a", "b")], span_metrics=f"{_FEW}aggregation_cardinality_limit: 1"),
    Case(
        "limit_known_series_go_on",
        [_named("a", "b", "c", "a", "b", "a")],
        span_metrics=f"{_FEW}aggregation_cardinality_limit: 2",
    ),
    Case(
        "limit_is_of_each_resource",
        [[span(1, name="a", resource=_a), span(2, name="b", resource=_b), span(3, name="c", resource=_b)]],
        span_metrics=f"{_FEW}aggregation_cardinality_limit: 1",
    ),
    Case(
        "limit_over_several_flushes",
        [_named("a", "b"), LATER, _named("c", "a", first=3)],
        span_metrics=f"{_FEW}aggregation_cardinality_limit: 1",
    ),
    Case(
        "limit_delta_starts_anew",
        [_named("a", "b"), LATER, _named("b", "a", first=3)],
        span_metrics=f"{_DELTA}{_FEW}aggregation_cardinality_limit: 1",
    ),
    Case(
        "limit_exponential",
        [_named("a", "b", "c")],
        span_metrics="histogram: {exponential: {max_size: 4}}\naggregation_cardinality_limit: 1",
    ),
    Case(
        "limit_of_calls_and_of_durations_apart",
        [[span(1, a="1"), span(2, a="2"), span(3, a="3")]],
        span_metrics=f"{_FEW}calls_dimensions: [{{name: a}}]\naggregation_cardinality_limit: 2",
    ),
    Case(
        "series_expire",
        [_named("old"), LATER, LATER, _named("new", first=2)],
        span_metrics=f"{_FEW}series_expiration: 4500ms",
    ),
    Case(
        "series_that_go_on_do_not_expire",
        [_named("a"), LATER, _named("a", first=2), LATER, _named("a", first=3)],
        span_metrics=f"{_FEW}series_expiration: 4500ms",
    ),
    Case(
        "resources_expire",
        [[span(1, resource=_a)], LATER, LATER, [span(2, resource=_b)]],
        span_metrics=f"{_FEW}metrics_expiration: 4500ms",
    ),
    Case(
        "resources_do_not_expire_by_default",
        [[span(1, resource=_a)], LATER, LATER, [span(2, resource=_b)]],
        span_metrics=_FEW,
    ),
    Case(
        "exemplars_change_no_numbers",
        [[span(1), span(2)]],
        span_metrics=f"{_FEW}exemplars: {{enabled: true, max_per_data_point: 1}}",
    ),
    Case(
        "exemplars_of_zero",
        [[span(1), span(2)]],
        span_metrics=f"{_FEW}exemplars: {{enabled: true, max_per_data_point: 0}}",
    ),
    Case("two_hundred_series", [_named(*(f"n{n}" for n in range(200)))], span_metrics=_NO_HISTOGRAM),
]
