"""Dimensions of the metrics of `span_metrics`: which there are, where their values come from, what they are called."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.corpus.case import Case
from tests.corpus.plain import ALWAYS
from tests.corpus.spans import ERROR, OK, UNSET, resource, scope, span, tree

_NO_HISTOGRAM = "histogram: {disable: true}\n"


def _counting(settings: str) -> str:
    """Return settings without a histogram, whose series would say the same again."""
    return _NO_HISTOGRAM + settings


def _by(*dimensions: str, more: str = "") -> str:
    return _counting(f"dimensions: [{', '.join(dimensions)}]\n{more}")


_METHOD = "{name: http.method}"
_TYPES: dict[str, Any] = {
    "int": 1,
    "double": 1.5,
    "whole_double": 1.0,
    "bool": True,
    "bytes": b"\x00\xff",
    "array": [1, "x"],
    "map": {"k": [1]},
    "empty": None,
}

CASES = [
    Case("defaults", [[span(ms=100), span(2, 1, 1, ms=3)]], span_metrics=""),
    Case("no_spans_of_this_resource", [[span(resource=resource(service__name=None))]], span_metrics=""),
    Case("every_kind", [[span(n + 1, kind=n) for n in range(6)]], span_metrics=_counting("")),
    Case("a_kind_that_otlp_does_not_know", [[span(kind=9)]], span_metrics=_counting("")),
    Case(
        "every_status",
        [[span(n + 1, status=status) for n, status in enumerate((UNSET, OK, ERROR))]],
        span_metrics=_counting(""),
    ),
    Case("a_status_that_otlp_does_not_know", [[span(status=3)]], span_metrics=_counting("")),
    Case("empty_name", [[span(name="")]], span_metrics=_counting("")),
    Case("unicode_name", [[span(name="größe 特徴 🦉")]], span_metrics=_counting("")),
    Case("many_names", [[span(n, name=f"n{n % 10}") for n in range(1, 101)]], span_metrics=_counting("")),
    Case("a_huge_trace", [tree(2_000)], span_metrics=_counting("")),
    Case("the_same_span_twice", [tree(1), tree(1)], span_metrics=_counting("")),
    Case("no_trace_id_and_no_span_id", [[replace(span(), trace_id=0, span_id=0)]], span_metrics=_counting("")),
    Case(
        "dimension_of_the_span",
        [[span(1, http__method="GET"), span(2, http__method="PUT"), span(3, http__method="GET")]],
        span_metrics=_by(_METHOD),
    ),
    Case("dimension_absent", [[span(1, http__method="GET"), span(2)]], span_metrics=_by(_METHOD)),
    Case(
        "dimension_absent_with_a_default",
        [[span(1, http__method="GET"), span(2)]],
        span_metrics=_by("{name: http.method, default: NONE}"),
    ),
    Case(
        "dimension_that_equals_its_default",
        [[span(1, http__method="NONE"), span(2)]],
        span_metrics=_by("{name: http.method, default: NONE}"),
    ),
    Case("dimension_with_an_empty_default", [[span()]], span_metrics=_by("{name: http.method, default: ''}")),
    Case("dimension_of_the_resource", [[span(resource=resource(zone="a"))]], span_metrics=_by("{name: zone}")),
    Case(
        "dimension_of_the_span_and_the_resource",
        [[span(1, zone="b", resource=resource(zone="a")), span(2, resource=resource(zone="a"))]],
        span_metrics=_by("{name: zone}"),
    ),
    Case(
        "dimension_of_the_resource_beats_the_default",
        [[span(resource=resource(zone="a"))]],
        span_metrics=_by("{name: zone, default: z}"),
    ),
    Case("dimension_of_the_scope_is_none", [[span(scope=scope("s", zone="a"))]], span_metrics=_by("{name: zone}")),
    *(
        Case(f"dimension_of_type_{kind}", [[span(x=value)]], span_metrics=_by("{name: x}"))
        for kind, value in _TYPES.items()
    ),
    Case("dimension_empty_does_not_take_the_default", [[span(x=None)]], span_metrics=_by("{name: x, default: d}")),
    Case(
        "dimension_an_integer_and_a_string_alike_share_a_series",
        [[span(1, x=1), span(2, x="1")]],
        span_metrics=_by("{name: x}"),
    ),
    Case(
        "dimension_a_whole_double_and_an_integer_alike_share_a_series",
        [[span(1, x=1.0), span(2, x=1)]],
        span_metrics=_by("{name: x}"),
    ),
    Case("dimension_empty_string_and_absent", [[span(1, x=""), span(2)]], span_metrics=_by("{name: x}")),
    Case("dimension_of_100_kB", [[span(x="x" * 100_000)]], span_metrics=_by("{name: x}")),
    Case(
        "two_dimensions",
        [[span(1, a="1", b="2"), span(2, a="2", b="1"), span(3, b="1")]],
        span_metrics=_by("{name: a}", "{name: b}"),
    ),
    Case(
        "dimension_values_with_separators",
        [[span(1, a="1:b", b="2"), span(2, a="1", b="b:2")]],
        span_metrics=_by("{name: a}", "{name: b}"),
    ),
    Case(
        "dimension_values_with_a_nul_share_a_series",
        [[span(1, a="1\0b:2"), span(2, a="1", b="2")]],
        span_metrics=_by("{name: a}", "{name: b}"),
    ),
    Case(
        "glob_within_one_part",
        [[span(http__method="GET", http__a__b="deep", other="x", http="short")]],
        span_metrics=_by("{glob: 'http.*'}"),
    ),
    Case(
        "glob_over_several_parts",
        [[span(http__method="GET", http__a__b="deep", other="x")]],
        span_metrics=_by("{glob: 'http.**'}"),
    ),
    Case(
        "glob_in_the_middle",
        [[span(http__a__b="1", http__c__b="2", http__b="3", http__a__c="4")]],
        span_metrics=_by("{glob: 'http.*.b'}"),
    ),
    Case(
        "glob_everything",
        [[span(plain="1", with__dot="2", resource=resource(zone="a"))]],
        span_metrics=_by("{glob: 'p*'}", "{glob: 'w**'}", "{glob: 'z*'}"),
    ),
    Case("glob_of_one_character", [[span(a1="1", a22="2", a="3")]], span_metrics=_by("{glob: 'a?'}")),
    Case("glob_of_alternatives", [[span(a="1", b="2", c="3")]], span_metrics=_by("{glob: '{a,b}'}")),
    Case("glob_of_characters", [[span(x1="1", x2="2", x3="3")]], span_metrics=_by("{glob: 'x[12]'}")),
    Case(
        "glob_the_span_beats_the_resource",
        [[span(k1="span", resource=resource(k1="resource", k2="resource"))]],
        span_metrics=_by("{glob: 'k*'}"),
    ),
    Case("glob_two_that_match_the_same", [[span(ab="1", ac="2")]], span_metrics=_by("{glob: 'a*'}", "{glob: '*b'}")),
    Case("glob_and_name", [[span(a1="1", b="2")]], span_metrics=_by("{name: b}", "{glob: 'a*'}")),
    Case(
        "glob_in_another_order_of_attributes",
        [[span(1, a1="1", a2="2"), span(2, a2="2", a1="1")]],
        span_metrics=_by("{glob: 'a*'}"),
    ),
    Case(
        "calls_dimensions_are_of_calls_only",
        [[span(1, a="1"), span(2, a="2")]],
        span_metrics="calls_dimensions: [{name: a}]",
    ),
    Case(
        "calls_dimensions_beside_dimensions",
        [[span(a="1", b="2")]],
        span_metrics="dimensions: [{name: b}]\ncalls_dimensions: [{name: a, default: x}]",
    ),
    Case(
        "calls_dimensions_of_the_same_name",
        [[span(a="1")]],
        span_metrics="dimensions: [{name: a}]\ncalls_dimensions: [{name: a, default: x}]",
    ),
    Case(
        "histogram_dimensions_are_of_durations_only",
        [[span(1, a="1"), span(2, a="2")]],
        span_metrics="histogram: {dimensions: [{name: a}]}",
    ),
    *(
        Case(
            f"exclude_{name.replace('.', '_')}",
            [[span(1), span(2, name="other", kind=2, status=ERROR)]],
            span_metrics=_counting(f"exclude_dimensions: [{name}]"),
        )
        for name in ("service.name", "span.name", "span.kind", "status.code", "collector.instance.id")
    ),
    Case(
        "exclude_what_tells_two_series_apart",
        [[span(1, name="a"), span(2, name="b")]],
        span_metrics=_counting("exclude_dimensions: [span.name]"),
    ),
    Case(
        "exclude_all_of_them",
        [[span(1), span(2, name="other", kind=2, status=ERROR)]],
        span_metrics=_counting(
            "exclude_dimensions: [service.name, span.name, span.kind, status.code, collector.instance.id]"
        ),
    ),
    Case("exclude_what_is_not_there", [[span()]], span_metrics=_counting("exclude_dimensions: [nothing]")),
    Case(
        "exclude_does_not_reach_other_dimensions",
        [[span(a="1")]],
        span_metrics=_by("{name: a}", more="exclude_dimensions: [a]"),
    ),
    Case("namespace", [[span()]], span_metrics="namespace: shop.spans"),
    Case("namespace_empty", [[span()]], span_metrics="namespace: ''"),
    Case(
        "scope_included",
        [[span(scope=scope("lib", "1.2"))]],
        span_metrics=_counting("include_instrumentation_scope: [lib]"),
    ),
    Case(
        "scope_included_without_a_version",
        [[span(scope=scope("lib"))]],
        span_metrics=_counting("include_instrumentation_scope: [lib]"),
    ),
    Case(
        "scope_not_included",
        [[span(scope=scope("other", "1"))]],
        span_metrics=_counting("include_instrumentation_scope: [lib]"),
    ),
    Case(
        "scope_without_a_name",
        [[span(scope=scope("", "1"))]],
        span_metrics=_counting("include_instrumentation_scope: ['']"),
    ),
    Case(
        "scopes_share_a_series_and_the_first_names_it",
        [[span(1, scope=scope("lib", "1")), span(2, scope=scope("lib", "2")), span(3, scope=scope("other"))]],
        span_metrics=_counting("include_instrumentation_scope: [lib]"),
    ),
    Case("derived_though_nothing_is_sampled", [[span(1), span(2)]], "policies: []", _counting("")),
    Case("derived_once_though_it_is_sampled", [tree(3)], ALWAYS, _counting("")),
]
