"""Conditions that are refused: where, and with which advice."""

from __future__ import annotations

import pytest

from otel_fe.config.ottl import OttlSyntaxError, parse_condition


def refusal(text, context="span"):
    with pytest.raises(OttlSyntaxError) as raised:
        parse_condition(text, context)
    return raised.value.column, raised.value.message


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "found the end; expected a comparison, a converter, true, false or ("),
        ("name ==", 8, "found the end; expected a value"),
        ('name = "x"', 6, "found '='; equality is written =="),
        ("name", 5, "found the end; expected a comparison (==, !=, <, <=, >, >=)"),
        ("name == 'x'", 9, 'found "\'", which means nothing in a condition; strings are written with "'),
        ("true && false", 6, "found '&', which means nothing in a condition; it is written `and`"),
        ("!true", 1, "found '!', which means nothing in a condition; it is written `not`, or `!=`"),
        ('name == "x', 9, 'this string has no closing "'),
        (
            r'name == "\d"',
            10,
            r"found \d, which is not an escape sequence; a backslash for a pattern is written twice: \\d",
        ),
        (r'name == "\ud800"', 10, r"found \ud800, which is not an escape sequence"),
        ("(true", 6, "found the end; expected `and`, `or` or )"),
        ("true true", 6, "found 'true'; expected `and`, `or` or the end"),
        ("not not true", 5, "found 'not'; expected a comparison, a converter, true, false or ("),
        ("1 == 09", 6, "found '09'; a number that starts with 0 is octal"),
        ("1 == 9223372036854775808", 6, "'9223372036854775808' does not fit in 64 bits"),
        ("1 == 1.0e999", 6, "'1.0e999' is out of range"),
        ("nil == 0x123", 8, "found '0x123'; bytes have an even number of digits"),
        ("attributes[0 + 1] == 1", 14, "found '+'; expected ]"),
        ("[1 2] == nil", 4, "found '2'; expected , or ]"),
        ("Len(name == 1", 10, "found '=='; expected , or )"),
        ("(x) => true", 2, "there is no path span.x"),
        ("() => true", 2, "found ')'; expected a comparison, a converter, true, false or ("),
    ],
)
def test_the_message_says_what_was_found_and_what_would_be_right(text, column, message):
    """The message is that of the failure furthest to the right, with its column counted from 1."""
    assert refusal(text) == (column, message)


@pytest.mark.parametrize(
    ("text", "context", "message"),
    [
        ("span.nme == 1", "span", "there is no path span.nme; did you mean span.name?"),
        ("kind == 1", "spanevent", "there is no path spanevent.kind; did you mean span.kind?"),
        ("spanevent.name == 1", "span", "there is no path span.spanevent.name"),
        ("resource == 1", "span", "there is no path span.resource"),
        ("kind == SPAN_KIND_SERVR", "span", "there is no enum SPAN_KIND_SERVR; did you mean SPAN_KIND_SERVER?"),
        ('IsMtch(name, "x")', "span", "there is no converter IsMtch; did you mean IsMatch?"),
        (
            'isMatch(name, "x")',
            "span",
            "found isMatch(; a converter starts with an upper case letter; did you mean IsMatch?",
        ),
        ("IsRootSpan()", "spanevent", "IsRootSpan exists for spans, not for their events"),
        ('name["x"] == 1', "span", "span.name cannot be indexed"),
        ('status["x"].code == 1', "span", "span.status.code cannot be indexed"),
        ('trace_state["a"]["b"] == 1', "span", "trace_state takes one key"),
        ("trace_state[0] == 1", "span", "trace_state takes one key, a string in quotes"),
        ("HasPrefix(name)", "span", "HasPrefix takes target, prefix"),
        ("Trim(name, replacement=name)", "span", "Trim takes replacement as a literal only"),
        ("Len(target=name, target=name) == 1", "span", "Len takes target"),
        ("HasPrefix(target=name, name)", "span", "positional arguments come before named ones"),
        ("Len(targt=name) == 1", "span", "Len has no parameter targt; did you mean target?"),
        ("IsString(1)", "span", "IsString, target: 1 is no string"),
        ("Seconds(5) == 5", "span", "Seconds, duration: 5 is no duration"),
        ("HasPrefix(name, nil)", "span", "HasPrefix, prefix: nil is no string"),
        ('IsMap([{"a": 1}])', "span", "IsMap, target: a list is no map"),
        ('Int("x") == 1', "span", "Int, target: 'x' is not a whole number"),
        ('Bool("yes")', "span", "Bool, target: 'yes' is neither true nor false"),
        ("Concat(name, name) == 1", "span", "Concat takes vals as a list in brackets that is not empty"),
        ("Coalesce([]) == 1", "span", "Coalesce takes values as a list in brackets that is not empty"),
        (
            'ConvertCase(name, "uper") == 1',
            "span",
            "ConvertCase, to_case: there is no case 'uper'; did you mean upper?",
        ),
        ("TraceID(0x01) == trace_id", "span", "TraceID, target: it takes 16 bytes or 32 digits"),
        ('SpanID("111213141516171x") == span_id', "span", "SpanID, target: these are no 16 hexadecimal digits"),
    ],
)
def test_a_name_or_literal_that_does_not_fit_is_refused(text, context, message):
    """The nearest name is suggested; what a literal would have to be is said."""
    assert refusal(text, context)[1] == message


@pytest.mark.parametrize(
    ("text", "start"),
    [
        (
            "SHA256(name) == nil",
            "the converter SHA256 exists in OTTL but is not supported here; supported: Bool, Coalesce, ",
        ),
        ("status == nil", "the path span.status exists in OTTL but is not supported here; supported: span.trace_id, "),
        (
            "otelcol.client.addr == nil",
            "the path otelcol.client.addr exists in OTTL but is not supported here; supported: ",
        ),
        ("Len(links) == 1", "the path span.links exists in OTTL but is not supported here; supported: "),
        (
            'ConvertCase(name, "snake") == 1',
            "ConvertCase, to_case: the case 'snake' exists in OTTL but is not supported here",
        ),
        ("Len((x) => x) == 1", "there is no path span.x"),
        ("Len(() => 1) == 1", "found ')'"),
        ('IsMatch(name, "(?=a)")', "IsMatch, pattern: '(?=a)' is no regular expression of RE2's; "),
    ],
)
def test_what_ottl_has_and_this_has_not_is_said_so(text, start):
    """A condition of the Collector's that cannot be read here is refused by name, never ignored."""
    assert refusal(text)[1].startswith(start)


def test_the_error_is_one_of_configuration():
    """The error carries the text, the place and the advice, as every wrong setting does."""
    with pytest.raises(OttlSyntaxError, match=r"column 1: 'nme == 1' cannot be used; there is no path span.nme"):
        parse_condition("nme == 1", "span")
