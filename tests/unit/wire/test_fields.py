"""Protobuf's encoding, cut and joined."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_fe.wire.fields import delimited, varint, varint_size, walk, without
from otel_fe.wire.wire_error import WireError
from tests.unit.wire.otlp import SPANS


@given(st.integers(0, 2**64 - 1))
def test_numbers_are_written_as_protobuf_does(number):
    message = Span()
    message.status.SetInParent()
    written = varint(number)
    assert len(written) == varint_size(number)
    if number < 2**32:
        message = Span(dropped_links_count=number)
        assert message.SerializeToString() == (b"\x70" + written if number else b"")


@given(SPANS)
def test_a_message_is_its_fields(span):
    """Fields come one after the other, whatever they are."""
    data = span.SerializeToString()
    fields = list(walk(data, 0, len(data)))
    assert b"".join(data[field.start : field.end] for field in fields) == data
    assert sum(field.number == 9 for field in fields) == len(span.attributes)


@given(SPANS, st.sampled_from([1, 3, 9, 11]))
def test_leaving_a_field_out_leaves_all_others(span, number):
    data = span.SerializeToString()
    left = without(data, number)
    assert left == b"".join(data[f.start : f.end] for f in walk(data, 0, len(data)) if f.number != number)
    name = Span.DESCRIPTOR.fields_by_number[number].name
    span.ClearField(name)
    assert Span.FromString(left) == span


@pytest.mark.parametrize(
    "data", [b"\x0a\x05ab", b"\x0a", b"\x80", b"\x00", b"\x0f", b"\x0c", b"\x0b\x14", b"\x09ab", b"\x0b" * 500]
)
def test_what_is_no_message_is_refused(data):
    with pytest.raises(WireError):
        list(walk(data, 0, len(data)))
    with pytest.raises(WireError):
        without(data, 3)
    assert delimited(2, b"") == b"\x12\x00"
