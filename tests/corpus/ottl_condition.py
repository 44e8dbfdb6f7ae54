"""The `ottl_condition` policy: conditions on spans and on their events, and what an error in one of them does."""

from __future__ import annotations

import json

from tests.corpus.case import Case, sampling
from tests.corpus.combined import ALL
from tests.corpus.spans import ERROR, event, resource, scope, span


def _policy(*conditions: str, events: tuple[str, ...] = (), mode: str = "") -> str:
    lists = [
        f"{key}: [{', '.join(map(json.dumps, found))}]"
        for key, found in (("span", conditions), ("spanevent", events))
        if found
    ]
    return f"{{name: ottl, type: ottl_condition, ottl_condition: {{{', '.join([*([f'error_mode: {mode}'] if mode else []), *lists])}}}}}"


def _if(*conditions: str, **more) -> str:
    return sampling(_policy(*conditions, **more))


_EVENTS = [[span(events=(event("start"), event("exception", exception__type="KeyError", n=3)))]]
_LENGTH = 'Len(attributes["i"]) > 0'
_WRONG = [[span(i=1)]]

CASES = [
    Case("string_equal", [[span(method="GET")]], _if('attributes["method"] == "GET"')),
    Case("string_not_equal", [[span(method="PUT")]], _if('attributes["method"] == "GET"')),
    Case("absent_is_not_equal", [[span()]], _if('attributes["method"] != "GET"')),
    Case("absent_is_nil", [[span()]], _if('attributes["method"] == nil')),
    Case("present_is_not_nil", [[span(method="")]], _if('attributes["method"] != nil')),
    Case("absent_is_less_than_nothing", [[span()]], _if('attributes["n"] < 5')),
    Case("integer_exactly_at", [[span(n=5)]], _if('attributes["n"] >= 5')),
    Case("integer_against_double", [[span(n=5)]], _if('attributes["n"] < 5.5')),
    Case("integer_equals_double", [[span(n=5)]], _if('attributes["n"] == 5.0')),
    Case("double_equals_integer", [[span(n=5.0)]], _if('attributes["n"] == 5')),
    Case("string_is_no_number", [[span(n="5")]], _if('attributes["n"] == 5')),
    Case("string_is_not_equal_to_a_number", [[span(n="5")]], _if('attributes["n"] != 5')),
    Case("strings_in_their_order", [[span(s="b")]], _if('attributes["s"] > "a"')),
    Case("bool_equal", [[span(b=True)]], _if('attributes["b"] == true')),
    Case("bool_is_no_integer", [[span(b=True)]], _if('attributes["b"] == 1')),
    Case("with_the_name_of_the_context", [[span(method="GET")]], _if('span.attributes["method"] == "GET"')),
    Case("resource_attribute", [[span(resource=resource(zone="a"))]], _if('resource.attributes["zone"] == "a"')),
    Case(
        "resource_attribute_is_no_span_attribute",
        [[span(resource=resource(zone="a"))]],
        _if('attributes["zone"] == "a"'),
    ),
    Case(
        "scope_name_and_version",
        [[span(scope=scope("lib", "2"))]],
        _if('instrumentation_scope.name == "lib" and instrumentation_scope.version == "2"'),
    ),
    Case("name_and_kind", [[span(name="GET /", kind=2)]], _if('name == "GET /" and kind == SPAN_KIND_SERVER')),
    Case("kind_as_a_string", [[span(kind=3)]], _if('kind.string == "Client"')),
    Case("status", [[span(status=ERROR)]], _if("status.code == STATUS_CODE_ERROR")),
    Case("status_unset", [[span()]], _if("status.code == STATUS_CODE_UNSET")),
    Case("duration_by_the_clock", [[span(ms=200)]], _if('(end_time - start_time) > Duration("100ms")')),
    Case("duration_exactly_at", [[span(ms=100)]], _if('(end_time - start_time) > Duration("100ms")')),
    Case("duration_in_nanoseconds", [[span(ms=100)]], _if("end_time_unix_nano - start_time_unix_nano >= 100000000")),
    Case("arithmetic", [[span(n=3)]], _if('attributes["n"] * 2 + 1 == 7')),
    Case(
        "or_binds_less_than_and",
        [[span(a=1)]],
        _if('attributes["a"] == 1 or attributes["a"] == 2 and attributes["b"] == 3'),
    ),
    Case("parentheses", [[span(a=1)]], _if('(attributes["a"] == 1 or attributes["a"] == 2) and attributes["b"] == 3')),
    Case("not_of_a_comparison", [[span(a=1)]], _if('not (attributes["a"] == 2)')),
    Case("one_of_two_conditions", [[span(a=2)]], _if('attributes["a"] == 1', 'attributes["a"] == 2')),
    Case(
        "conditions_on_one_span_not_on_two",
        [[span(1, a=1), span(2, b=1)]],
        _if('attributes["a"] == 1 and attributes["b"] == 1'),
    ),
    Case("is_match", [[span(name="GET /items/7")]], _if('IsMatch(name, "^GET /items/[0-9]+$")')),
    Case("is_match_of_an_integer", [[span(n=404)]], _if('IsMatch(attributes["n"], "^4")')),
    Case("is_match_of_nothing", [[span()]], _if('IsMatch(attributes["n"], ".*")')),
    Case("is_root_span", [[span(2, 1, 1, name="child"), span(1, name="root")]], _if('IsRootSpan() and name == "root"')),
    Case("is_root_span_nowhere", [[span(2, 1, 1)]], _if("IsRootSpan()")),
    Case("is_string", [[span(n="5")]], _if('IsString(attributes["n"])')),
    Case("is_int", [[span(n=5.0)]], _if('IsInt(attributes["n"])')),
    Case("to_integer", [[span(n="0042")]], _if('Int(attributes["n"]) == 42')),
    Case("length_of_an_array", [[span(a=["x", "y"])]], _if('Len(attributes["a"]) == 2')),
    Case("element_of_an_array", [[span(a=["x", "y"])]], _if('attributes["a"][1] == "y"')),
    Case("key_of_a_map", [[span(m={"k": "v"})]], _if('attributes["m"]["k"] == "v"')),
    Case("bytes", [[span(x=b"\x01\xff")]], _if('attributes["x"] == 0x01ff')),
    Case("parent_of_a_root", [[span()]], _if("parent_span_id == SpanID(0x0000000000000000)")),
    Case("trace_state_entry", [[span(trace_state="a=1,b=2")]], _if('trace_state["b"] == "2"')),
    Case("true", [[span()]], _if("true")),
    Case("empty_name", [[span(name="")]], _if('name == ""')),
    Case("escaped_quote", [[span(s='a"b')]], _if('attributes["s"] == "a\\"b"')),
    Case("event_name", _EVENTS, _if(events=('name == "exception"',))),
    Case("event_with_the_name_of_the_context", _EVENTS, _if(events=('spanevent.name == "exception"',))),
    Case("event_attribute", _EVENTS, _if(events=('attributes["exception.type"] == "KeyError"',))),
    Case("event_no_such", _EVENTS, _if(events=('name == "end"',))),
    Case("event_without_events", [[span()]], _if(events=("true",))),
    Case("event_and_its_span", _EVENTS, _if(events=('name == "exception" and span.name == "work"',))),
    Case("event_or_span", _EVENTS, _if('name == "other"', events=('name == "exception"',))),
    Case("error_propagates_and_is_no_vote", _WRONG, _if(_LENGTH, mode="propagate")),
    Case("error_propagates_beside_another_policy", _WRONG, sampling(_policy(_LENGTH, mode="propagate"), ALL)),
    Case(
        "error_propagates_before_the_condition_that_holds",
        _WRONG,
        _if(_LENGTH, 'attributes["i"] == 1', mode="propagate"),
    ),
    Case(
        "error_propagates_behind_the_condition_that_holds",
        _WRONG,
        _if('attributes["i"] == 1', _LENGTH, mode="propagate"),
    ),
    Case(
        "error_propagates_on_the_first_span_though_the_second_holds",
        [[span(1, i=1), span(2, i="x")]],
        _if(_LENGTH, mode="propagate"),
    ),
    Case("error_ignored_is_false", _WRONG, _if(_LENGTH, mode="ignore")),
    Case("error_ignored_before_the_condition_that_holds", _WRONG, _if(_LENGTH, 'attributes["i"] == 1', mode="ignore")),
    Case(
        "error_ignored_on_the_first_span_and_the_second_holds",
        [[span(1, i=1), span(2, i="x")]],
        _if(_LENGTH, mode="ignore"),
    ),
    Case("error_silent_is_false", _WRONG, _if(_LENGTH, mode="silent")),
    Case("error_silent_before_the_condition_that_holds", _WRONG, _if(_LENGTH, 'attributes["i"] == 1', mode="silent")),
    Case("error_without_a_mode_before_the_condition_that_holds", _WRONG, _if(_LENGTH, 'attributes["i"] == 1')),
    Case(
        "error_in_the_half_of_an_or_that_is_not_needed",
        _WRONG,
        _if(f'attributes["i"] == 1 or {_LENGTH}', mode="propagate"),
    ),
    Case("error_in_an_event_propagates", [[span(events=(event(i=1),))]], _if(events=(_LENGTH,), mode="propagate")),
]
