"""Our messages read what the official ones write."""

from __future__ import annotations

import subprocess
import sys

import pytest
from google.protobuf.descriptor import FieldDescriptor
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from otel_fe.wire.messages import DECLARED

OFFICIAL = {
    "Spans": ScopeSpans,
    "Heads": ScopeSpans,
    "Head": Span,
    "Status": Status,
    "Events": Span,
    "Rest": Span,
    "Event": Span.Event,
    "ResourceOrigin": ResourceSpans,
    "Resource": Resource,
    "ScopeOrigin": ScopeSpans,
    "Scope": InstrumentationScope,
    "Pair": KeyValue,
    "Any": AnyValue,
    "Array": ArrayValue,
}
DELIMITED = (FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_MESSAGE)
NUMBERS = (
    FieldDescriptor.TYPE_INT32,
    FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_UINT32,
    FieldDescriptor.TYPE_ENUM,
    FieldDescriptor.TYPE_BOOL,
)


def encoding(kind):
    """Return a field type's encoding; types of one encoding can be read as each other."""
    if isinstance(kind, str) or kind in DELIMITED:
        return "delimited"
    return "number" if kind in NUMBERS else kind


@pytest.mark.parametrize("name", DECLARED)
def test_every_field_is_an_official_one(name):
    """Same number, same name, same encoding, and as often."""
    official = OFFICIAL[name].DESCRIPTOR.fields_by_number
    for field in DECLARED[name]:
        theirs = official[field.number]
        assert (theirs.name, encoding(theirs.type)) == (field.name, encoding(field.kind))
        repeated = theirs.is_repeated if hasattr(theirs, "is_repeated") else theirs.label == theirs.LABEL_REPEATED
        assert repeated == field.repeated


def test_every_type_of_value_is_known():
    """A type that OTLP adds for traces shows here; the profiles' indices into a table of texts mean nothing in a span."""
    names = {field.name for field in AnyValue.DESCRIPTOR.fields}
    assert names - {field.name for field in DECLARED["Any"]} <= {"string_value_strindex"}


def test_importing_the_wire_path_needs_no_grpc():
    source = "import sys, otel_fe.wire.decode, otel_fe.wire.encode; assert 'grpc' not in sys.modules"
    subprocess.run([sys.executable, "-c", source], check=True)
