"""Reads the spans of slow extractions."""

from __future__ import annotations

import pytest

PREFIX = "feature_extraction."


def causes(span):
    """Return the parts of an extraction's time, and check that they are its duration."""
    found = {name: value for name, value in span.attributes.items() if name.startswith(f"{PREFIX}time.")}
    assert sum(found.values()) == pytest.approx((span.end_time - span.start_time) / 1e9, abs=1e-6)
    return {name.removeprefix(f"{PREFIX}time."): value for name, value in found.items()}
