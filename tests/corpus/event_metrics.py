"""Metrics of the events of spans."""

from __future__ import annotations

from tests.corpus.case import LATER, Case
from tests.corpus.spans import event, resource, scope, span

_NO_HISTOGRAM = "histogram: {disable: true}\n"


def _by(*dimensions: str, more: str = "") -> str:
    return f"{_NO_HISTOGRAM}events: {{enabled: true, dimensions: [{', '.join(dimensions)}]}}\n{more}"


_TYPE = "{name: exception.type}"
_key_error, _value_error = (
    event("exception", exception__type="KeyError"),
    event("exception", exception__type="ValueError"),
)

CASES = [
    Case(
        "by_an_attribute",
        [[span(1, events=(_key_error, _value_error)), span(2, events=(_key_error,))]],
        span_metrics=_by(_TYPE),
    ),
    Case("of_several_names_are_one_series", [[span(events=(event("start"), event("end")))]], span_metrics=_by(_TYPE)),
    Case("without_the_attribute", [[span(events=(event(), _key_error))]], span_metrics=_by(_TYPE)),
    Case(
        "with_a_default",
        [[span(events=(event(), _key_error))]],
        span_metrics=_by("{name: exception.type, default: none}"),
    ),
    Case("none_at_all", [[span()]], span_metrics=_by(_TYPE)),
    Case("the_span_beats_the_event", [[span(exception__type="OfSpan", events=(_key_error,))]], span_metrics=_by(_TYPE)),
    Case(
        "the_event_beats_the_resource",
        [[span(events=(event(zone="event"), event()), resource=resource(zone="resource"))]],
        span_metrics=_by("{name: zone}"),
    ),
    Case(
        "by_dimensions_of_the_connector_too",
        [[span(a="1", events=(_key_error, event(a="2")))]],
        span_metrics=_by(_TYPE, more="dimensions: [{name: a}]"),
    ),
    Case(
        "dimensions_of_calls_are_not_theirs",
        [[span(a="1", events=(_key_error,))]],
        span_metrics=_by(_TYPE, more="calls_dimensions: [{name: a}]"),
    ),
    Case(
        "by_a_glob",
        [[span(events=(event(exception__type="E", exception__escaped=False, other="x"),))]],
        span_metrics=_by("{glob: 'exception.*'}"),
    ),
    Case("by_an_integer", [[span(events=(event(n=1), event(n=2), event(n=1)))]], span_metrics=_by("{name: n}")),
    Case(
        "disabled",
        [[span(events=(_key_error,))]],
        span_metrics=f"{_NO_HISTOGRAM}events: {{enabled: false, dimensions: [{_TYPE}]}}",
    ),
    Case(
        "with_a_histogram",
        [[span(events=(_key_error,))]],
        span_metrics=f"histogram: {{explicit: {{buckets: [10ms]}}}}\nevents: {{enabled: true, dimensions: [{_TYPE}]}}",
    ),
    Case(
        "over_several_flushes",
        [[span(1, events=(_key_error,))], LATER, [span(2, events=(_key_error, _value_error))]],
        span_metrics=_by(_TYPE),
    ),
    Case(
        "delta",
        [[span(1, events=(_key_error,))], LATER, [span(2, events=(_key_error,))]],
        span_metrics=_by(_TYPE, more="aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA"),
    ),
    Case(
        "limit_overflows",
        [[span(events=tuple(event(n=n) for n in range(5)))]],
        span_metrics=_by("{name: n}", more="aggregation_cardinality_limit: 2"),
    ),
    Case(
        "scope_included",
        [[span(events=(_key_error,), scope=scope("lib", "1"))]],
        span_metrics=_by(_TYPE, more="include_instrumentation_scope: [lib]"),
    ),
    Case(
        "a_thousand_of_one_span",
        [[span(events=tuple(event(n=n % 3) for n in range(1_000)))]],
        span_metrics=_by("{name: n}"),
    ),
]
