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

from otel_fe.model.protobuf import MessageField, build_messages

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
DECLARED: Final[Mapping[str, Sequence[MessageField]]] = {
    "Spans": (MessageField(2, "spans", _BYTES, repeated=True),),
    "Heads": (MessageField(2, "spans", "Head", repeated=True),),
    "Head": (
        MessageField(1, "trace_id", _BYTES),
        MessageField(2, "span_id", _BYTES),
        MessageField(3, "trace_state", _STRING),
        MessageField(4, "parent_span_id", _BYTES),
        MessageField(5, "name", _STRING),
        MessageField(6, "kind", _INT32),
        MessageField(7, "start_time_unix_nano", _FIXED64),
        MessageField(8, "end_time_unix_nano", _FIXED64),
        MessageField(9, "attributes", _BYTES, repeated=True),
        # As bytes: a message within the message costs three times as much to ask, for every span. Where a span has two,
        # which no encoder writes, protobuf would merge them, and here the last one counts.
        MessageField(15, "status", _BYTES, optional=True),
        MessageField(16, "flags", _FIXED32),
    ),
    "Status": (MessageField(2, "message", _BYTES), MessageField(3, "code", _INT32)),
    "Rest": (
        MessageField(10, "dropped_attributes_count", _INT32),
        MessageField(12, "dropped_events_count", _INT32),
        MessageField(14, "dropped_links_count", _INT32),
        MessageField(15, "status", "Status"),
    ),
    "Events": (MessageField(11, "events", "Event", repeated=True),),
    "Event": (
        MessageField(1, "time_unix_nano", _FIXED64),
        MessageField(2, "name", _BYTES),
        MessageField(3, "attributes", _BYTES, repeated=True),
    ),
    "ResourceOrigin": (MessageField(1, "resource", "Resource"),),
    "Resource": (MessageField(1, "attributes", _BYTES, repeated=True),),
    "ScopeOrigin": (MessageField(1, "scope", "Scope"),),
    "Scope": (
        MessageField(1, "name", _STRING),
        MessageField(2, "version", _STRING),
        MessageField(3, "attributes", _BYTES, repeated=True),
    ),
    "Pair": (MessageField(1, "key", _BYTES), MessageField(2, "value", _BYTES)),
    "Any": (
        MessageField(1, "string_value", _BYTES, one_of=True),
        MessageField(2, "bool_value", _BOOL, one_of=True),
        MessageField(3, "int_value", _INT64, one_of=True),
        MessageField(4, "double_value", _DOUBLE, one_of=True),
        MessageField(5, "array_value", "Array", one_of=True),
        MessageField(6, "kvlist_value", "Array", one_of=True),
        MessageField(7, "bytes_value", _BYTES, one_of=True),
    ),
    "Array": (MessageField(1, "values", _BYTES, repeated=True),),
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
