"""The messages of OTLP as a table: the fields of each, by number, and what protobuf writes for them.

It declares what any current backend knows, opentelemetry-proto 1.10 with its development fields, whichever version is installed
here: a backend that knows a field refuses a request in which that field is malformed.

Source: opentelemetry-proto, `opentelemetry/proto/**/*.proto`; number 1000 is what the Collector still reads as scopes of its own
age of OTLP (`pdata/internal`, `DeprecatedScopeSpans`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN: Final = 0
VARINT: Final = 1
I64: Final = 2
I32: Final = 3
STRING: Final = 4
BYTES: Final = 5
TRACE_ID: Final = 6
SPAN_ID: Final = 7
PACKED_I64: Final = 8
PACKED_VARINT: Final = 9
MESSAGE: Final = 10
CONTAINER: Final = 11
"""A message on the way from the request to its items."""
ITEM: Final = 12
"""A span, a data point or a log record."""

SLOTS: Final = 32
"""Slots of a message in the encoded table. Slot 0 is for numbers that are not declared."""
DEPRECATED_NUMBER: Final = 1000
DEPRECATED_SLOT: Final = 31
"""The index of a field number in the table; no message has a field 31."""


class SchemaField(NamedTuple):
    """A field of a message."""

    kind: int
    message: str = ""
    """The name of the message in it."""


_V, _I64, _I32, _S, _B = (
    SchemaField(VARINT),
    SchemaField(I64),
    SchemaField(I32),
    SchemaField(STRING),
    SchemaField(BYTES),
)
_T, _P = SchemaField(TRACE_ID), SchemaField(SPAN_ID)
_ATTRIBUTES = SchemaField(MESSAGE, "KeyValue")
_EXEMPLARS = SchemaField(MESSAGE, "Exemplar")


def _resource(scopes: str) -> Mapping[int, SchemaField]:
    return {
        1: SchemaField(MESSAGE, "Resource"),
        2: SchemaField(CONTAINER, scopes),
        3: _S,
        DEPRECATED_NUMBER: SchemaField(MESSAGE, scopes),
    }


def _scope(items: SchemaField) -> Mapping[int, SchemaField]:
    return {1: SchemaField(MESSAGE, "InstrumentationScope"), 2: items, 3: _S}


MESSAGES: Final[Mapping[str, Mapping[int, SchemaField]]] = {
    "ExportTraceServiceRequest": {1: SchemaField(CONTAINER, "ResourceSpans")},
    "ExportMetricsServiceRequest": {1: SchemaField(CONTAINER, "ResourceMetrics")},
    "ExportLogsServiceRequest": {1: SchemaField(CONTAINER, "ResourceLogs")},
    "ResourceSpans": _resource("ScopeSpans"),
    "ResourceMetrics": _resource("ScopeMetrics"),
    "ResourceLogs": _resource("ScopeLogs"),
    "ScopeSpans": _scope(SchemaField(ITEM, "Span")),
    "ScopeMetrics": _scope(SchemaField(CONTAINER, "Metric")),
    "ScopeLogs": _scope(SchemaField(ITEM, "LogRecord")),
    "Resource": {1: _ATTRIBUTES, 2: _V, 3: SchemaField(MESSAGE, "EntityRef")},
    "EntityRef": {1: _S, 2: _S, 3: _S, 4: _S},
    "InstrumentationScope": {1: _S, 2: _S, 3: _ATTRIBUTES, 4: _V},
    "KeyValue": {1: _S, 2: SchemaField(MESSAGE, "AnyValue"), 3: _V},
    "AnyValue": {
        1: _S,
        2: _V,
        3: _V,
        4: _I64,
        5: SchemaField(MESSAGE, "ArrayValue"),
        6: SchemaField(MESSAGE, "KeyValueList"),
        7: _B,
        8: _V,
    },
    "ArrayValue": {1: SchemaField(MESSAGE, "AnyValue")},
    "KeyValueList": {1: _ATTRIBUTES},
    "Span": {
        1: _T,
        2: _P,
        3: _S,
        4: _P,
        5: _S,
        6: _V,
        7: _I64,
        8: _I64,
        9: _ATTRIBUTES,
        10: _V,
        11: SchemaField(MESSAGE, "Event"),
        12: _V,
        13: SchemaField(MESSAGE, "Link"),
        14: _V,
        15: SchemaField(MESSAGE, "Status"),
        16: _I32,
    },
    "Event": {1: _I64, 2: _S, 3: _ATTRIBUTES, 4: _V},
    "Link": {1: _T, 2: _P, 3: _S, 4: _ATTRIBUTES, 5: _V, 6: _I32},
    "Status": {2: _S, 3: _V},
    "LogRecord": {
        1: _I64,
        2: _V,
        3: _S,
        5: SchemaField(MESSAGE, "AnyValue"),
        6: _ATTRIBUTES,
        7: _V,
        8: _I32,
        9: _T,
        10: _P,
        11: _I64,
        12: _S,
    },
    "Metric": {
        1: _S,
        2: _S,
        3: _S,
        5: SchemaField(CONTAINER, "Gauge"),
        7: SchemaField(CONTAINER, "Sum"),
        9: SchemaField(CONTAINER, "Histogram"),
        10: SchemaField(CONTAINER, "ExponentialHistogram"),
        11: SchemaField(CONTAINER, "Summary"),
        12: _ATTRIBUTES,
    },
    "Gauge": {1: SchemaField(ITEM, "NumberDataPoint")},
    "Sum": {1: SchemaField(ITEM, "NumberDataPoint"), 2: _V, 3: _V},
    "Histogram": {1: SchemaField(ITEM, "HistogramDataPoint"), 2: _V},
    "ExponentialHistogram": {1: SchemaField(ITEM, "ExponentialHistogramDataPoint"), 2: _V},
    "Summary": {1: SchemaField(ITEM, "SummaryDataPoint")},
    "NumberDataPoint": {2: _I64, 3: _I64, 4: _I64, 5: _EXEMPLARS, 6: _I64, 7: _ATTRIBUTES, 8: _V},
    "HistogramDataPoint": {
        2: _I64,
        3: _I64,
        4: _I64,
        5: _I64,
        6: SchemaField(PACKED_I64),
        7: SchemaField(PACKED_I64),
        8: _EXEMPLARS,
        9: _ATTRIBUTES,
        10: _V,
        11: _I64,
        12: _I64,
    },
    "ExponentialHistogramDataPoint": {
        1: _ATTRIBUTES,
        2: _I64,
        3: _I64,
        4: _I64,
        5: _I64,
        6: _V,
        7: _I64,
        8: SchemaField(MESSAGE, "Buckets"),
        9: SchemaField(MESSAGE, "Buckets"),
        10: _V,
        11: _EXEMPLARS,
        12: _I64,
        13: _I64,
        14: _I64,
    },
    "Buckets": {1: _V, 2: SchemaField(PACKED_VARINT)},
    "SummaryDataPoint": {
        2: _I64,
        3: _I64,
        4: _I64,
        5: _I64,
        6: SchemaField(MESSAGE, "ValueAtQuantile"),
        7: _ATTRIBUTES,
        8: _V,
    },
    "ValueAtQuantile": {1: _I64, 2: _I64},
    "Exemplar": {2: _I64, 3: _I64, 4: _P, 5: _T, 6: _I64, 7: _ATTRIBUTES},
    "ExportProfilesServiceRequest": {
        1: SchemaField(CONTAINER, "ResourceProfiles"),
        2: SchemaField(MESSAGE, "ProfilesDictionary"),
    },
    "ResourceProfiles": {1: SchemaField(MESSAGE, "Resource"), 2: SchemaField(CONTAINER, "ScopeProfiles"), 3: _S},
    "ScopeProfiles": _scope(SchemaField(CONTAINER, "Profile")),
    "Profile": {
        1: SchemaField(MESSAGE, "ValueType"),
        2: SchemaField(ITEM, "Sample"),
        3: _I64,
        4: _V,
        5: SchemaField(MESSAGE, "ValueType"),
        6: _V,
        7: _B,
        8: _V,
        9: _S,
        10: _B,
        11: SchemaField(PACKED_VARINT),
    },
    "Sample": {1: _V, 2: SchemaField(PACKED_VARINT), 3: _V, 4: SchemaField(PACKED_VARINT), 5: SchemaField(PACKED_I64)},
    "ValueType": {1: _V, 2: _V, 3: _V},
    "ProfilesDictionary": {
        1: SchemaField(MESSAGE, "Mapping"),
        2: SchemaField(MESSAGE, "Location"),
        3: SchemaField(MESSAGE, "Function"),
        4: SchemaField(MESSAGE, "ProfileLink"),
        5: _S,
        6: SchemaField(MESSAGE, "KeyValueAndUnit"),
        7: SchemaField(MESSAGE, "Stack"),
    },
    "Mapping": {1: _V, 2: _V, 3: _V, 4: _V, 5: SchemaField(PACKED_VARINT)},
    "Location": {1: _V, 2: _V, 3: SchemaField(MESSAGE, "Line"), 4: SchemaField(PACKED_VARINT)},
    "Line": {1: _V, 2: _V, 3: _V},
    "Function": {1: _V, 2: _V, 3: _V, 4: _V},
    "ProfileLink": {1: _T, 2: _P},
    "KeyValueAndUnit": {1: _V, 2: SchemaField(MESSAGE, "AnyValue"), 3: _V},
    "Stack": {1: SchemaField(PACKED_VARINT)},
}

NUMBERS: Final[Mapping[str, int]] = {name: place for place, name in enumerate(MESSAGES)}
"""The place of each message in the table."""
REQUESTS: Final[Mapping[str, int]] = {
    "traces": NUMBERS["ExportTraceServiceRequest"],
    "metrics": NUMBERS["ExportMetricsServiceRequest"],
    "logs": NUMBERS["ExportLogsServiceRequest"],
    "profiles": NUMBERS["ExportProfilesServiceRequest"],
}
"""The place of each signal's request."""
SPAN: Final = NUMBERS["Span"]


def slot_of(number: int) -> int:
    """Return where a field with a number is in the table; 0 for one that no message declares."""
    if number < DEPRECATED_SLOT:
        return number
    return DEPRECATED_SLOT if number == DEPRECATED_NUMBER else 0


def _encoded() -> bytes:
    table = bytearray(len(MESSAGES) * SLOTS * 2)
    for name, fields in MESSAGES.items():
        for number, field in fields.items():
            place = 2 * (NUMBERS[name] * SLOTS + slot_of(number))
            table[place : place + 2] = field.kind, NUMBERS.get(field.message, 0)
    return bytes(table)


TABLE: Final = _encoded()
"""Two bytes for each slot of each message: the kind, and the place of the message that is in it."""
