from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe.config.scalars import resolve


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("Null", None),
        ("true", True),
        ("FALSE", False),
        ("yes", "yes"),
        ("on", "on"),
        ("tRUE", "tRUE"),
        ("10", 10),
        ("-10", -10),
        ("100_000", 100_000),
        ("010", 8),
        ("0o10", 8),
        ("0x1F", 31),
        ("0b101", 5),
        ("08", 8.0),
        ("1e3", 1000.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("._5", "._5"),
        ("1:30", "1:30"),
        ("1.2.3", "1.2.3"),
        ("2020-01-01", "2020-01-01"),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", 18446744073709551616.0),
        ("1e999", "1e999"),
        ("٣", "٣"),
    ],
)
def test_plain_scalars_are_what_the_collector_takes_them_for(text, value):
    """Types as well as values: True is not 1, and 1000.0 not 1000."""
    assert (type(resolve(text)), resolve(text)) == (type(value), value)


@given(st.text(alphabet="0123456789+-._eExXoObB", max_size=100))
def test_no_text_fails(text):
    """Anything that is nothing else is a string."""
    value = resolve(text)
    assert not isinstance(value, str) or value == text
