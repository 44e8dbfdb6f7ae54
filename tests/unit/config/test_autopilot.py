"""Settings of the autopilot are checked as all others are."""

from __future__ import annotations

import pytest

from otel_fe.config.autopilot import SizeBounds, limits_of
from otel_fe.config.settings import Settings, read_settings
from otel_fe.errors import ConfigurationError


def test_it_is_off_and_dry_by_default():
    assert (Settings().autopilot, Settings().autopilot_mode) == ("", "dry-run")


def test_bounds_are_by_kind_or_by_name():
    """Names have colons and slashes, and may have an equals sign."""
    found = limits_of("pools=2..20, postgresql://db:5432/f?a=b=2..40 ,caches=100..1000")
    assert found == {
        "pools": SizeBounds(2, 20),
        "postgresql://db:5432/f?a=b": SizeBounds(2, 40),
        "caches": SizeBounds(100, 1_000),
    }
    read = read_settings(
        {
            "OTEL_FE_AUTOPILOT": "Caches, pools",
            "OTEL_FE_AUTOPILOT_LIMITS": "pools=2..20",
            "OTEL_FE_AUTOPILOT_MODE": "act",
        }
    )
    assert (read.autopilot, read.autopilot_limits, read.autopilot_mode) == ("caches,pools", "pools=2..20", "act")


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("", "pool", "did you mean pools"),
        ("_LIMITS", "pools=2", "use NAME=LOW..HIGH"),
        ("_LIMITS", "2..20", "use NAME=LOW..HIGH"),
        ("_LIMITS", "pools=20..2", "an upper bound that is not below"),
        ("_LIMITS", "pools=0..2", "at least 1"),
        ("_LIMITS", "pools=1..2,pools=1..3", "once"),
        ("_MODE", "yes", "use dry-run or act"),
        ("_WINDOW_S", "0", "positive number of seconds"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_be_right(variable, value, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        read_settings({f"OTEL_FE_AUTOPILOT{variable}": value})
    assert f"OTEL_FE_AUTOPILOT{variable}" in str(caught.value)


def test_without_bounds_it_is_refused():
    with pytest.raises(ConfigurationError, match="OTEL_FE_AUTOPILOT_LIMITS as well"):
        read_settings({"OTEL_FE_AUTOPILOT": "pools"})
