"""A short fuzz of the wire path; `make fuzz` runs a long one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import targets
from tests.fuzz.loop import run


def test_mutated_requests_are_refused_or_understood():
    """A few thousand, in a few seconds, others each time; what breaks is in the message."""
    report = run(20_000, 6.0, seed=None)
    assert report.inputs
    assert 0 < report.accepted < report.inputs


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_understood(payload):
    targets.protobuf(payload)
    targets.json(payload)


@pytest.mark.parametrize("payload", [b"", b"\x0a\x00", b"{}", b"\x0a\x02\x12\x00"])
def test_small_inputs(payload):
    targets.protobuf(payload)
    targets.json(payload)
