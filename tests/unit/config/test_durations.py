from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe.config.durations import UNITS_NS, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("-0", 0),
        ("+5s", 5_000_000_000),
        ("1m30s", 90_000_000_000),
        ("100us", 100_000),
        ("100µs", 100_000),
        ("100μs", 100_000),
        ("1.5h", 5_400_000_000_000),
        ("-1s", -1_000_000_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("0.3333333333333333333h", 1_199_999_999_999),
        ("0.9ns", 0),
        ("9223372036854775807ns", 2**63 - 1),
        ("-9223372036854775808ns", -(2**63)),
    ],
)
def test_durations_are_exact(text, nanoseconds):
    """Each is what Go's ParseDuration gives, to the nanosecond."""
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no number"),
        ("-", "no number"),
        ("s", "no number before 's'"),
        (".s", "no number before '.s'"),
        ("5", "no unit; use ns, us, ms, s, m, h"),
        ("5d", "unknown unit 'd'; use ns"),
        ("5 s", "unknown unit ' s'"),
        ("1e3s", "unknown unit 'e'"),
        ("9223372036854775808ns", "longer than 292 years"),
        ("9" * 5000 + "h", "longer than 292 years"),
    ],
)
def test_what_is_no_duration_is_refused(text, why):
    """The message says what is wrong."""
    with pytest.raises(ValueError, match=why):
        parse_duration(text)


@given(st.dictionaries(st.sampled_from(sorted(UNITS_NS)), st.integers(0, 10**5)).filter(bool))
def test_parts_add_up(parts):
    """A duration is the sum of its parts, in any order."""
    text = "".join(f"{count}{unit}" for unit, count in parts.items())
    assert parse_duration(text) == sum(count * UNITS_NS[unit] for unit, count in parts.items())


@given(st.integers(0, 2**63 - 1))
def test_what_is_written_reads_the_same(nanoseconds):
    """`format_duration` writes what `parse_duration` reads."""
    assert parse_duration(format_duration(nanoseconds)) == nanoseconds
