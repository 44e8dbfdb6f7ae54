"""The messages that payloads are parsed as: OTLP's, with less of it declared, and more of that as `bytes`.

    Spans       spans as bytes, each as received                       `ScopeSpans` to others
    Heads       the same spans: ids, times, status, ...; each of the attributes as bytes
    Events      the events of a span                                   `Span` to others
    Rest        fields of a span that are rarely read                     `Span` to others
    Origins     the context of spans: resource or scope   `ResourceSpans`, `ScopeSpans`
    Pair, Any   an attribute and its value, in texts that may be no UTF-8

`tests/unit/wire/test_messages.py` holds them against the official ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from google.protobuf import descriptor_pb2

from otel_fe.model.protobuf import Field, build_messages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_Proto = descriptor_pb2.FieldDescriptorProto
_BYTES: Final = _Proto.TYPE_BYTES
_STRING: Final = _Proto.TYPE_STRING
_INT32: Final = _Proto.TYPE_INT32
_INT64: Final = _Proto.TYPE_INT64
_BOOL: Final = _Proto.TYPE_BOOL
_DOUBLE: Final = _Proto.TYPE_DOUBLE
_FIXED32: Final = _Proto.TYPE_FIXED32
_FIXED64: Final = _Proto.TYPE_FIXED64

PACKAGE: Final = "otel_fe.wire"


DECLARED: Final[Mapping[str, Sequence[Field]]] = {
    "Spans": (Field(2, "spans", _BYTES, repeated=True),),
    "Heads": (Field(2, "spans", "Head", repeated=True),),
    "Head": (
        Field(1, "trace_id", _BYTES),
        Field(2, "span_id", _BYTES),
        Field(3, "trace_state", _STRING),
        Field(4, "parent_span_id", _BYTES),
        Field(5, "name", _STRING),
        Field(6, "kind", _INT32),
        Field(7, "start_time_unix_nano", _FIXED64),
        Field(8, "end_time_unix_nano", _FIXED64),
        Field(9, "attributes", _BYTES, repeated=True),
        # As bytes: a message within the message costs three times as much to ask, for every span. Where a span has two,
        # which no encoder writes, protobuf would merge them, and here the last one counts.
        Field(15, "status", _BYTES, optional=True),
        Field(16, "flags", _FIXED32),
    ),
    "Status": (Field(2, "message", _BYTES), Field(3, "code", _INT32)),
    "Rest": (
        Field(10, "dropped_attributes_count", _INT32),
        Field(12, "dropped_events_count", _INT32),
        Field(14, "dropped_links_count", _INT32),
        Field(15, "status", "Status"),
    ),
    "Events": (Field(11, "events", "Event", repeated=True),),
    "Event": (
        Field(1, "time_unix_nano", _FIXED64),
        Field(2, "name", _BYTES),
        Field(3, "attributes", _BYTES, repeated=True),
    ),
    "ResourceOrigin": (Field(1, "resource", "Resource"),),
    "Resource": (Field(1, "attributes", _BYTES, repeated=True),),
    "ScopeOrigin": (Field(1, "scope", "Scope"),),
    "Scope": (
        Field(1, "name", _STRING),
        Field(2, "version", _STRING),
        Field(3, "attributes", _BYTES, repeated=True),
    ),
    "Pair": (Field(1, "key", _BYTES), Field(2, "value", _BYTES)),
    "Any": (
        Field(1, "string_value", _BYTES, one_of=True),
        Field(2, "bool_value", _BOOL, one_of=True),
        Field(3, "int_value", _INT64, one_of=True),
        Field(4, "double_value", _DOUBLE, one_of=True),
        Field(5, "array_value", "Array", one_of=True),
        Field(6, "kvlist_value", "Array", one_of=True),
        Field(7, "bytes_value", _BYTES, one_of=True),
    ),
    "Array": (Field(1, "values", _BYTES, repeated=True),),
}


_MADE: Final = build_messages(PACKAGE, DECLARED)
Spans: Final[Any] = _MADE["Spans"]
Heads: Final[Any] = _MADE["Heads"]
Head: Final[Any] = _MADE["Head"]
Events: Final[Any] = _MADE["Events"]
ResourceOrigin: Final[Any] = _MADE["ResourceOrigin"]
Status: Final[Any] = _MADE["Status"]
Rest: Final[Any] = _MADE["Rest"]
ScopeOrigin: Final[Any] = _MADE["ScopeOrigin"]
Pair: Final[Any] = _MADE["Pair"]
AnyMessage: Final[Any] = _MADE["Any"]
