"""Conditions: what a text means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe.config.ottl import CONVERTERS, PATHS, OttlSyntaxError, parse_condition
from otel_fe.config.ottl.converters import ELSEWHERE
from otel_fe.config.ottl.tree import (
    AllOf,
    AnyOf,
    Arithmetic,
    Comparison,
    Constant,
    ConverterCall,
    Inverted,
    ListOf,
    Literal,
    MapOf,
    Negative,
    Path,
    Truth,
)

NAME = Path("span", "name", ())
A = Comparison(NAME, "==", Literal("a"))
B = Truth(ConverterCall("IsRootSpan", (), ()))


def tree(text, context="span"):
    return parse_condition(text, context).tree


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ('name == "a"', A),
        ('span.name == "a"', A),
        ('name == "a" or IsRootSpan() and true', AnyOf((A, AllOf((B, Constant(True)))))),
        ('(name == "a" or IsRootSpan()) and true', AllOf((AnyOf((A, B)), Constant(True)))),
        ('not name == "a" and IsRootSpan()', AllOf((Inverted(A), B))),
        ('not (name == "a" and IsRootSpan())', Inverted(AllOf((A, B)))),
        ("not false", Inverted(Constant(False))),
        ("(((true)))", Constant(True)),
    ],
)
def test_words_bind_as_in_ottl(text, meaning):
    """`not` binds closest, then `and`, then `or`; parentheses change that."""
    assert tree(text) == meaning


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("nil", Literal(None)),
        ("true", Literal(True)),
        ("42", Literal(42)),
        ("-42", Literal(-42)),
        ("(42)", Literal(42)),
        ("-(42)", Negative(Literal(42))),
        ("010", Literal(8)),
        (".5", Literal(0.5)),
        ("5.", Literal(5.0)),
        ("1.5e-3", Literal(0.0015)),
        ("0xbeef", Literal(b"\xbe\xef")),
        (r'"a\"\\\n\x41\101\u00e9\U0001F600"', Literal('a"\\\nAA\u00e9\U0001f600')),
        (r'"\xff"', Literal("\u00ff")),
        ('"a\nb"', Literal("a\nb")),
        ("SPAN_KIND_CONSUMER", Literal(5)),
        ("[]", ListOf(())),
        ('[1, "a", [nil]]', ListOf((Literal(1), Literal("a"), ListOf((Literal(None),))))),
        ('{"a": 1 "b": 2, "a": 3}', MapOf((("a", Literal(3)), ("b", Literal(2))))),
        ("1 + 2 * 3", Arithmetic(Literal(1), (("+", Arithmetic(Literal(2), (("*", Literal(3)),))),))),
        ("1 - -2", Arithmetic(Literal(1), (("-", Literal(-2)),))),
        ("-flags", Negative(Path("span", "flags", ()))),
        ('attributes["a"][0]', Path("span", "attributes", (Literal("a"), Literal(0)))),
        ("attributes[name]", Path("span", "attributes", (NAME,))),
        ('resource.attributes["a"]', Path("resource", "attributes", (Literal("a"),))),
        ("instrumentation_scope.name", Path("scope", "name", ())),
        ('IsMatch(name, "x")', ConverterCall("IsMatch", (NAME, Literal("x")), ())),
        ('Is M atch(pattern="x", target=name)', ConverterCall("IsMatch", (NAME, Literal("x")), ())),
        ('ConvertCase(name, toCase="upper")', ConverterCall("ConvertCase", (NAME, Literal("upper")), ())),
        ("Trim(name)", ConverterCall("Trim", (NAME, None), ())),
        ('Split(name, ",")[0]', ConverterCall("Split", (NAME, Literal(",")), (Literal(0),))),
    ],
)
def test_a_value_is_read(text, value):
    """Literals, paths, calls and sums become what they mean."""
    assert tree(f"{text} == nil") == Comparison(value, "==", Literal(None))


@pytest.mark.parametrize(
    ("text", "context", "path"),
    [
        ("name", "spanevent", Path("spanevent", "name", ())),
        ("span.name", "spanevent", NAME),
        ("kind.string", "span", Path("span", "kind.string", ())),
        ("span.kind.string", "spanevent", Path("span", "kind.string", ())),
    ],
)
def test_a_path_without_context_is_the_conditions(text, context, path):
    """A path may leave out its context; a first name that is no context belongs to the path."""
    assert tree(f"{text} == nil", context) == Comparison(path, "==", Literal(None))


@pytest.mark.parametrize("place", [f"{c}.{name}" for c in PATHS for name in PATHS[c]])
def test_every_path_of_the_table_is_read(place):
    """The parser accepts every path of the table."""
    assert tree(f"{place} == nil", "spanevent").left == Path(*place.split(".", 1), ())


def test_no_converter_is_both_supported_and_not():
    """The two tables of converters share no name."""
    assert not CONVERTERS.keys() & ELSEWHERE


def test_there_are_two_contexts():
    """A condition is asked of spans or of their events, and nothing else."""
    with pytest.raises(ValueError, match="there is no context 'log'; known: span, spanevent"):
        parse_condition("true", "log")


TOKENS = st.sampled_from(
    [
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        "==",
        "<",
        "=",
        "+",
        "-",
        "*",
        "and",
        "or",
        "not",
        "true",
        "nil",
        "1",
        "0.5",
        "0x01",
    ]
    + ['"a"', '"\\d"', "name", "span.", "attributes", "Len(", "IsMatch(", "=>", ":", "x", "SPAN_KIND_SERVER", "é", '"']
)


@given(st.text() | st.lists(TOKENS, max_size=40).map(" ".join), st.sampled_from(["span", "spanevent"]))
def test_any_text_is_read_or_refused(text, context):
    """Any text parses or raises an `OttlSyntaxError` whose column is within the text."""
    try:
        parse_condition(text, context)
    except OttlSyntaxError as error:
        assert 1 <= error.column <= len(text) + 1
        assert error.message


@pytest.mark.parametrize("opening", ["(", "-(", "Len(", "[", '{"a":', "attributes[", "not ("])
def test_brackets_beyond_measure_are_refused(opening):
    """Text that is nested too deeply is refused with a sentence."""
    with pytest.raises(OttlSyntaxError, match=r"more than 50 nested brackets|expected"):
        parse_condition(opening * 10_000, "span")
