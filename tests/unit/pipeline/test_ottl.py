"""Conditions, evaluated: errors, short cuts and what no record of the Collector's covers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe.config.ottl import CONVERTERS, PATHS, parse_condition
from otel_fe.model.span import Event, Resource, Scope, Span
from otel_fe.pipeline.ottl import OttlEvaluationError, compile_condition
from otel_fe.pipeline.ottl.comparison import compare
from otel_fe.pipeline.ottl.converters import FUNCTIONS
from otel_fe.pipeline.ottl.expressions import getter
from otel_fe.pipeline.ottl.paths import PATHS as GETTERS

RECORDED = json.loads((Path(__file__).parent / "ottl_cases.json").read_text())["cases"]
SPAN = Span(
    trace_id=1,
    span_id=2,
    name="GET /",
    attributes={"i": 5, "s": "abc", "l": [1, [2]], "m": {"a": 1}, "nan": float("nan")},
)


def holds(condition, span=SPAN):
    return compile_condition(parse_condition(condition, "span"))(span)


def value(expression, span=SPAN):
    return getter(parse_condition(f"{expression} == nil", "span").tree.left, "span")(span)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ('attributes["i"] / 0 == 1', "a division by 0"),
        ('attributes["s"] + 1 == 1', "a string + a int cannot be calculated"),
        ('-attributes["s"] == 1', "a string has no negative"),
        ('start_time * Duration("1s") == 1', "a time * a duration cannot be calculated"),
        ('attributes["i"]["a"] == 1', "nothing is inside of a int"),
        ('attributes["l"][2] == 1', "an index is out of bounds"),
        ('attributes["l"]["a"] == 1', "a list has no string index"),
        ('attributes["m"][0] == 1', "a map has no int keys"),
        ('attributes[attributes["missing"]] == 1', "a map has no nil keys"),
        ('Split(name, " ")[2] == ""', "an index is out of bounds"),
        ('HasPrefix(attributes["missing"], "a")', "found a nil; expected a string"),
        ('Int(attributes["s"]) == 1', "a string cannot be read as an int"),
        ('Bool(attributes["l"])', "found a slice; expected a bool"),
        ('Duration(attributes["s"]) == Duration("1s")', "a string cannot be read as a duration"),
        ('Substring(name, 0, 99) == ""', "Substring takes a range inside of the string"),
        ('Len(attributes["i"]) == 1', "a int has no length"),
        ('TraceID(attributes["s"]) == trace_id', "an id has other than 16 bytes"),
        ('IsMatch(name, attributes["missing"])', "found a nil; expected a string"),
        ('IsMatch(name, Concat(["("], ""))', "IsMatch cannot use its pattern"),
        ("Len(name)", "Len alone must give a bool, not a int"),
        ('String(attributes["nan"]) == ""', "a float without a number has no JSON"),
        ('Split(name, "a") == Split(name, "a")', "two results of Split cannot be compared: the Collector panics"),
        ('{"a": attributes["l"]} == {}', "a slice cannot be inside a list or map here"),
    ],
)
def test_an_error_names_types_and_never_values(condition, message):
    """A condition raises an error where the Collector's evaluation returns one."""
    with pytest.raises(OttlEvaluationError) as raised:
        holds(condition)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        ("Len(1) == 1 or true", True),
        ("true or Len(1) == 1", True),
        ("Len(1) == 1 and 1 > 2", False),
        ("not (Len(1) == 1 and false)", True),
        ('name == "GET /" or Len(1) == 1', True),
        ('name == "POST" and Len(1) == 1', False),
        ("1 == 1.0 and nil <= nil", True),
    ],
)
def test_what_is_constant_is_not_evaluated(condition, answer):
    """A constant decides whatever it can decide, on either side; only then comes the order of the text."""
    assert holds(condition) is answer


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("9223372036854775807 + 1", -(2**63)),
        ("-9223372036854775807 - 2", 2**63 - 1),
        ("(-9223372036854775807 - 1) / -1", -(2**63)),
        ("-7 / 2", -3),
        ("7 / -2.0", -3.5),
        (
            'String([1.0, 1e21 * 1, 0.0000001, "é<", nil, true])'.replace("1e21", "1000000000000000000000.0"),
            '[1,1e+21,1e-07,"é\\u003c",null,true]',
        ),
        ('String([attributes["m"]])', "[{}]"),
        ('String(attributes["m"])', '{"a":1}'),
        ('Substring("aé", 0, 2, true)', "a"),
        ('Hex(Substring("aé", 0, 2))', "61c3"),
        ('Index("éa", "a")', 2),
        ('ToUpperCase("straße ǆ")', "STRASSE Ǆ".replace("SS", "ß", 1)),
        ('ToLowerCase("ΣΑΣ İ")', "σασ i"),  # noqa: RUF001
        ('Split("", "")', []),
        ('Milliseconds(Duration("-1.9999ms"))', -1),
        ('Seconds(Duration("-1500ms"))', -1.5),
        ("Int(-1.9)", -1),
        ('Int(attributes["nan"])', -(2**63)),
        ('Double("0x1p-2")', 0.25),
        ('trace_state["a"]', ""),
    ],
)
def test_a_value_is_the_one_that_go_gives(expression, result):
    """Overflow, division, JSON, bytes and characters are Go's."""
    found = value(expression)
    assert found == result
    assert type(found) is type(result) or isinstance(found, list)


def test_an_event_is_asked_together_with_its_span():
    """A condition on events sees the event, its span, its resource and its scope."""
    span = Span(1, 2, name="span", resource=Resource({"r": 1}), scope=Scope("lib"))
    condition = 'name == "event" and span.name == "span" and resource.attributes["r"] == 1 and scope.name == "lib"'
    ask = compile_condition(parse_condition(condition, "spanevent"))
    assert ask(span, Event("event")) is True
    assert ask(span, Event("other")) is False


def test_what_a_view_does_not_carry_is_an_error():
    """A span that has come without a part is not answered for as if the part were empty."""

    class Lean:
        name = "lean"

    with pytest.raises(OttlEvaluationError, match="the span has come without its status_message"):
        holds('status.message == ""', Lean())


def test_subclasses_count_as_what_they_extend():
    """Attributes that were never on the wire may hold numpy's floats and the like."""

    class Float(float):
        pass

    span = Span(1, 2, attributes={"f": Float(1.5)})
    assert holds('attributes["f"] == 1.5 and attributes["f"] > 1 and IsDouble(attributes["f"])', span)


def test_every_path_and_converter_of_the_tables_is_evaluated():
    """Every path and converter that the parser accepts can be evaluated."""
    assert {c: set(names) for c, names in PATHS.items()} == {c: set(names) for c, names in GETTERS.items()}
    apart = {"Coalesce", "IsRootSpan", "IsBool", "IsDouble", "IsInt", "IsMap", "IsString"}
    assert set(CONVERTERS) == set(FUNCTIONS) | apart


INT64 = st.integers(-(2**63), 2**63 - 1)
SCALARS = st.none() | st.booleans() | INT64 | st.floats() | st.text(max_size=20) | st.binary(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["s", "i", "f", "b", "m", "l", "by", "eb", "e", "num", "fnum", "neg", "nil", "missing"])
ATTRIBUTES = st.dictionaries(KEYS, VALUES)
EVENTS = st.builds(Event, st.text(), st.integers(0, 2**64 - 1), ATTRIBUTES)
SPANS = st.builds(
    Span,
    trace_id=st.integers(0, 2**128 - 1),
    span_id=st.integers(0, 2**64 - 1),
    parent_id=st.integers(0, 2**64 - 1),
    name=st.text(),
    kind=st.integers(-(2**31), 2**31 - 1),
    start_ns=st.integers(0, 2**64 - 1),
    end_ns=st.integers(0, 2**64 - 1),
    status=st.integers(-(2**31), 2**31 - 1),
    trace_state=st.text(),
    flags=st.integers(0, 2**32 - 1),
    attributes=ATTRIBUTES,
    events=st.lists(EVENTS, max_size=2),
    resource=st.builds(Resource, ATTRIBUTES),
)
PLACES = [f'attributes["{key}"]' for key in ("s", "i", "m", "l", "nil")] + [
    "name",
    "start_time",
    "trace_id",
    "events",
    "trace_state",
]
CALLS = [
    f"{name}({place})"
    for name, c in CONVERTERS.items()
    if len(c.parameters) == 1 and name != "Coalesce"
    for place in PLACES
]
CONDITIONS = [(case["condition"], case["context"]) for case in RECORDED] + [
    (f"{call} == {PLACES[1]}", "span") for call in CALLS
]


@given(st.sampled_from(CONDITIONS), SPANS)
def test_any_span_is_answered_for_or_an_error(condition, span):
    """A condition returns a bool for any span, or raises an `OttlEvaluationError`."""
    text, context = condition
    ask = compile_condition(parse_condition(text, context))
    for arguments in [(span,)] if context == "span" else [(span, event) for event in span.events]:
        try:
            assert ask(*arguments) in {True, False}
        except OttlEvaluationError as error:
            assert str(error)


LITERALS = {"5": 5, "-1": -1, "2.5": 2.5, '"abc"': "abc", '""': ""}


@given(
    VALUES | st.sampled_from([5, 5.0, True, "abc"]),
    st.sampled_from(sorted(LITERALS)),
    st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
)
def test_the_short_cuts_answer_as_the_plain_rules(found, literal, comparator):
    """Comparisons with a literal skip the general rules, and agree with them."""
    span = Span(1, 2, attributes={"x": found})
    assert holds(f'attributes["x"] {comparator} {literal}', span) is compare(found, LITERALS[literal], comparator)


@given(VALUES, VALUES)
def test_equality_has_one_opposite_and_two_sides(left, right):
    """`==` is never both true and false, and it does not matter which value stands left."""
    assert compare(left, right, "==") is not compare(left, right, "!=")
    assert compare(left, right, "==") is compare(right, left, "==")
