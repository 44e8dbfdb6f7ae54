"""The compiled modules together: a `Backend`. Importing this raises an ImportError where they have not been compiled."""

from __future__ import annotations

from typing import Final

from otel_fe.compiled.attributes import SOURCES as _ATTRIBUTES
from otel_fe.compiled.attributes import Picker, named
from otel_fe.compiled.batches import SOURCES as _BATCHES
from otel_fe.compiled.batches import Batch, Spans, Traces, batch_of
from otel_fe.compiled.calls import SOURCES as _CALLS
from otel_fe.compiled.conditions import SOURCES as _CONDITIONS
from otel_fe.compiled.extraction_series import SOURCES as _EXTRACTION_SERIES
from otel_fe.compiled.extractions import SOURCES as _EXTRACTIONS
from otel_fe.compiled.extractions import Counter, counted
from otel_fe.compiled.finders import SOURCES as _FINDERS
from otel_fe.compiled.finders import Finder, remembered_bytes
from otel_fe.compiled.handed import SOURCES as _HANDED
from otel_fe.compiled.handed import hand_over
from otel_fe.compiled.http2 import SOURCES as _HTTP2
from otel_fe.compiled.http2 import Event as Http2Event
from otel_fe.compiled.http2 import Http2Error
from otel_fe.compiled.http2 import Session as Http2Session
from otel_fe.compiled.leaves import SOURCES as _LEAVES
from otel_fe.compiled.local_spans import SOURCES as _LOCAL_SPANS
from otel_fe.compiled.local_spans import CurrentCore, SpanCore, methods, use_spans, use_tracers
from otel_fe.compiled.local_traces import SOURCES as _LOCAL_TRACES
from otel_fe.compiled.local_traces import LocalTrace, use_traces
from otel_fe.compiled.nghttp2 import SOURCES as _NGHTTP2
from otel_fe.compiled.nghttp2 import use_library
from otel_fe.compiled.outcomes import SOURCES as _OUTCOMES
from otel_fe.compiled.rounds import SOURCES as _ROUNDS
from otel_fe.compiled.rows import SOURCES as _ROWS
from otel_fe.compiled.segments import SOURCES as _SEGMENTS
from otel_fe.compiled.segments import Segments
from otel_fe.compiled.series import SOURCES as _SERIES
from otel_fe.compiled.series import drawn, record
from otel_fe.compiled.spans import SOURCES as _SPANS
from otel_fe.compiled.spans import Head, add, runs
from otel_fe.compiled.stored_rows import SOURCES as _STORED_ROWS
from otel_fe.compiled.stored_rows import RowBuilder, joined
from otel_fe.compiled.summaries import SOURCES as _SUMMARIES
from otel_fe.compiled.summaries import Summarizer
from otel_fe.compiled.traces import SOURCES as _TRACES
from otel_fe.compiled.traces import DecisionCache, hash_of, key_of
from otel_fe.compiled.validation import SOURCES as _VALIDATION
from otel_fe.compiled.validation import scan
from otel_fe.compiled.waiting import SOURCES as _WAITING
from otel_fe.compiled.waiting import Waiting

__all__ = [
    "SOURCES",
    "Batch",
    "Counter",
    "CurrentCore",
    "DecisionCache",
    "Finder",
    "Head",
    "Http2Error",
    "Http2Event",
    "Http2Session",
    "LocalTrace",
    "Picker",
    "RowBuilder",
    "Segments",
    "SpanCore",
    "Spans",
    "Summarizer",
    "Traces",
    "Waiting",
    "add",
    "batch_of",
    "counted",
    "drawn",
    "hand_over",
    "hash_of",
    "joined",
    "key_of",
    "methods",
    "named",
    "record",
    "remembered_bytes",
    "runs",
    "scan",
    "use_library",
    "use_spans",
    "use_tracers",
    "use_traces",
]

SOURCES: Final = frozenset(
    (
        _ATTRIBUTES,
        _BATCHES,
        _CALLS,
        _CONDITIONS,
        _EXTRACTION_SERIES,
        _EXTRACTIONS,
        _FINDERS,
        _HANDED,
        _HTTP2,
        _LEAVES,
        _LOCAL_SPANS,
        _LOCAL_TRACES,
        _NGHTTP2,
        _OUTCOMES,
        _ROUNDS,
        _ROWS,
        _SEGMENTS,
        _SERIES,
        _SPANS,
        _STORED_ROWS,
        _SUMMARIES,
        _TRACES,
        _VALIDATION,
        _WAITING,
    )
)
"""The digests of the sources that they were compiled from: one, unless some of them are stale."""
