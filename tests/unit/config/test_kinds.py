from __future__ import annotations

import pytest

from otel_fe.config import kinds
from otel_fe.config.reading import Key, Section, Unsupported
from tests.unit.config.reads import read, read_reporting


@pytest.mark.parametrize(
    ("kind", "text", "result"),
    [
        (kinds.integer(), "5", 5),
        (kinds.integer(), "1e3", 1000),
        (kinds.integer(), "1.5", "f:1:1: 1.5: use a whole number of at least 0"),
        (kinds.integer(1), "0", "f:1:1: 0: use a whole number of at least 1"),
        (kinds.integer(-5, 5), "6", "f:1:1: 6: use a whole number from -5 to 5"),
        (kinds.integer(-(2**63)), "true", "f:1:1: true: use a whole number"),
        (kinds.integer(), "'5'", "f:1:1: 5: use a whole number of at least 0"),
        (kinds.integer(), "[5]", "f:1:1: a list: use a whole number of at least 0"),
        (kinds.integer(), "${env:E}", "f:1:1: the environment variable is empty; use a whole number of at least 0"),
        (kinds.integer(), "${env:N}", 7),
        (kinds.number(), "5", 5.0),
        (kinds.number(0, 100), ".inf", "f:1:1: inf: use a number from 0 to 100"),
        (kinds.number(), ".inf", "f:1:1: inf: use a number of at least 0"),
        (kinds.number(), ".nan", "f:1:1: nan: use a number of at least 0"),
        (kinds.boolean, "true", True),
        (kinds.boolean, "yes", "f:1:1: yes: use true or false"),
        (kinds.string, "x", "x"),
        (kinds.string, "5", "f:1:1: 5: use a string; quote it"),
        (kinds.string, "${env:N}", "7"),
        (kinds.string, "${env:E}", ""),
        (kinds.text, "''", "f:1:1: use a string that is not empty"),
        (kinds.secret, "5", "f:1:1: use a string; quote it"),
        (kinds.secret, "${env:N}", "7"),
        (kinds.duration(), "1m", 60_000_000_000),
        (kinds.duration(), "0", 0),
        (
            kinds.duration(),
            "${env:N}",
            "f:1:1: 7: use a duration with its unit, for example 7s (a bare number would be nanoseconds)",
        ),
        (kinds.duration(), "-1s", "f:1:1: -1s: use a duration, not a negative one"),
        (kinds.duration(1), "0s", "f:1:1: 0s: use a duration longer than 0"),
        (
            kinds.duration(),
            "5d",
            "f:1:1: 5d: use a duration, for example 30s; unknown unit 'd'; use ns, us, ms, s, m, h",
        ),
        (kinds.duration(), "false", "f:1:1: false: use a duration, for example 30s"),
        (kinds.choice("a", "b", "c"), "d", "f:1:1: d: use a, b or c"),
        (kinds.choice("a"), "A", "f:1:1: A: use a"),
        (kinds.choice("a", any_case=True), "A", "a"),
        (kinds.list_of(kinds.integer()), "[1, 2]", (1, 2)),
        (
            kinds.list_of(kinds.integer()),
            "[1, x, y]",
            "f:1:5: [1]: x: use a whole number of at least 0\nf:1:8: [2]: y: use a whole number of at least 0",
        ),
        (kinds.list_of(kinds.integer()), "5", "f:1:1: 5: use a list"),
        (kinds.strings(), "a,b", ("a", "b")),
        (kinds.strings(), "''", ()),
        (kinds.strings(), "${env:N}", ("7",)),
        (kinds.strings(), "[a, '']", ("a", "")),
    ],
)
def test_kinds(kind, text, result):
    """Each takes what the Collector means, and refuses what it would guess at."""
    assert read(kind, text, N="7", E="") == result


SECTION = Section(
    dict,
    {
        "count": Key(kinds.integer(), "number", required="give a count"),
        "size": Key(kinds.integer(), note="it is outdated"),
        "ignored": Key(kinds.integer(), field=None),
        "inner": Key(kinds.optional(Section(dict, {"a": Key(kinds.integer())})), null_is_empty=True),
        "other": Unsupported("use count"),
    },
)


def test_a_section_makes_a_value_of_its_keys():
    """Null is absent, unless it stands for an empty section."""
    value, report = read_reporting(SECTION, "{count: 1, size: 2, ignored: 3, inner: }")
    assert value == {"number": 1, "size": 2, "inner": {}}
    assert [str(warning) for warning in report.warnings] == ["f:1:12: size: it is outdated"]
    assert read(SECTION, "{count: 1, size: ~, inner: {enabled: false, a: 1}}") == {"number": 1, "inner": None}


def test_a_section_says_all_that_is_wrong():
    """A section reports wrong values and unknown, unsupported and missing keys together."""
    assert read(SECTION, "{sise: 1, other: 2, ignored: x, inner: {b: 1}}").splitlines() == [
        "f:1:2: sise: there is no such key; did you mean size?",
        "f:1:11: other: it exists in the Collector but is not supported here; use count",
        "f:1:21: ignored: x: use a whole number of at least 0",
        "f:1:41: inner::b: there is no such key",
        "f:1:1: count: give a count",
    ]
    assert read(SECTION, "[]") == "f:1:1: a list: use a mapping"
    assert read(SECTION, "count:") == "f:1:1: count: give a count"


def test_what_is_broken_is_not_blamed_twice():
    """A reference that cannot be replaced is the only problem, though a value is missing for it."""
    problem = "f:1:8: count: ${env:0} has no valid variable name; use letters, digits and _, not starting with a digit"
    assert read(SECTION, "count: ${env:0}") == problem
