"""Recorded answers of the Collector v0.160, condition by condition and span by span, replayed."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from otel_fe.config.ottl import parse_condition
from otel_fe.model.span import Event, Resource, Scope, Span
from otel_fe.pipeline.ottl import OttlEvaluationError, compile_condition

RECORDED = json.loads((Path(__file__).parent / "ottl_cases.json").read_text())


def _value(any_value):
    """OTLP's AnyValue, from its JSON."""
    ((kind, value),) = any_value.items() or [("empty", None)]
    match kind:
        case "intValue":
            return int(value)
        case "doubleValue":
            return float(value)
        case "bytesValue":
            return base64.b64decode(value)
        case "arrayValue":
            return [_value(item) for item in value["values"]]
        case "kvlistValue":
            return _attributes(value["values"])
        case _:
            return value


def _attributes(pairs):
    return {pair["key"]: _value(pair["value"]) for pair in pairs}


def _span(resource_spans):
    scope_spans = resource_spans["scopeSpans"][0]
    span, scope = scope_spans["spans"][0], scope_spans["scope"]
    return Span(
        trace_id=int(span["traceId"], 16),
        span_id=int(span["spanId"], 16),
        parent_id=int(span["parentSpanId"] or "0", 16),
        name=span["name"],
        kind=span["kind"],
        start_ns=int(span["startTimeUnixNano"]),
        end_ns=int(span["endTimeUnixNano"]),
        status=span["status"]["code"],
        status_message=span["status"]["message"],
        trace_state=span["traceState"],
        flags=span["flags"],
        attributes=_attributes(span["attributes"]),
        events=[Event(e["name"], int(e["timeUnixNano"]), _attributes(e["attributes"])) for e in span["events"]],
        resource=Resource(_attributes(resource_spans["resource"]["attributes"])),
        scope=Scope(scope["name"], scope["version"], _attributes(scope["attributes"])),
        dropped_attributes_count=span["droppedAttributesCount"],
        dropped_events_count=span["droppedEventsCount"],
        dropped_links_count=span["droppedLinksCount"],
    )


SPANS = [_span(resource_spans) for resource_spans in RECORDED["spans"]]


def _sampled(condition, context):
    """The indices of the spans for which the condition holds; an error counts as false, as with `error_mode: silent`."""
    holds = compile_condition(parse_condition(condition, context))

    def answer(*arguments):
        try:
            return holds(*arguments)
        except OttlEvaluationError:
            return False

    if context == "span":
        return [index for index, span in enumerate(SPANS) if answer(span)]
    return [index for index, span in enumerate(SPANS) if any(answer(span, event) for event in span.events)]


@pytest.mark.parametrize("case", RECORDED["cases"], ids=lambda case: case["condition"])
def test_a_condition_and_its_opposite_hold_where_the_collector_says(case):
    """Which traces the Collector sampled by a condition, and by its opposite; where neither, it found an error."""
    assert _sampled(case["condition"], case["context"]) == case["holds"]
    assert _sampled(f"not ({case['condition']})", case["context"]) == case["fails"]
