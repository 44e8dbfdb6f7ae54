"""Rows and chunks of the store built in C, against the plain way: the same columns, to their types."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe import compiled
from otel_fe.store import bodies, trace_rows
from otel_fe.store.kept import KeptExtraction, KeptTrace
from otel_fe.store.latency import EDGES_NS
from otel_fe.store.slots import SPLIT_CAUSES

pytestmark = pytest.mark.skipif(
    compiled.backend is None, reason="not compiled; tests/properties/test_compiled.py fails where it should be"
)
NUMBERS = st.one_of(
    st.integers(0, 10**12),
    st.integers(-(1 << 70), 1 << 70),
    st.sampled_from([-(1 << 63), 1 - (1 << 63), (1 << 63) - 1, 1 << 63]),
)
DURATIONS = NUMBERS | st.sampled_from([one for edge in EDGES_NS[::16] for one in (edge - 1, edge)])
TEXTS = st.sampled_from(["", "shop", "cart", "ä", "\ud800", "x" * 300])
WEIGHTS = st.sampled_from([None, 1.0, 20.0])
SPLITS = st.one_of(
    st.just({}),
    st.dictionaries(st.sampled_from(SPLIT_CAUSES), st.integers(0, 10**9)),
    st.dictionaries(st.sampled_from(SPLIT_CAUSES), NUMBERS),
    st.dictionaries(st.sampled_from(SPLIT_CAUSES[:6]), st.integers(0, 10**9), min_size=1),
)


def with_split(extraction, adding_up):
    """Return an extraction that lasted as long as its parts together, where that is wanted."""
    if adding_up and extraction.split:
        extraction.duration_ns = sum(extraction.split.values())
    return extraction


EXTRACTIONS = st.builds(
    with_split,
    st.builds(
        KeptExtraction,
        st.integers(0, (1 << 64) - 1),
        NUMBERS,
        DURATIONS,
        TEXTS,
        st.none() | TEXTS,
        st.booleans(),
        TEXTS,
        TEXTS,
        st.sampled_from([None, True, False]),
        NUMBERS,
        NUMBERS,
        NUMBERS,
        NUMBERS,
        st.sampled_from(["", "cpu", "gc"]),
        SPLITS,
    ),
    st.booleans(),
)
TRACES = st.builds(
    KeptTrace,
    st.integers(0, (1 << 128) - 1),
    NUMBERS,
    NUMBERS,
    TEXTS,
    TEXTS,
    st.booleans(),
    TEXTS,
    WEIGHTS,
    st.integers(0, 9),
    st.just(b""),
)


def numbered():
    """Return numbers of texts, some of them known, and what numbers the others."""
    known = {"shop": 1, "cpu": 2}
    return known, lambda text: known.setdefault(text, len(known) + 1)


@given(EXTRACTIONS, WEIGHTS)
def test_rows_of_extractions_are_alike(extraction, weight):
    """An extraction has the same row from C and from Python, whatever its numbers and texts."""
    found, expected = (
        rows.extraction(extraction, (5, 1), weight, 7, *numbered())
        for rows in (trace_rows._rows, trace_rows._PlainRows())
    )
    assert repr(found) == repr(expected)


@given(TRACES, st.sampled_from([None, b"logs"]))
def test_rows_of_traces_are_alike(trace, logs):
    """A trace has the same row from C and from Python."""
    found, expected = (
        rows.trace(trace, 5, 9, *numbered(), logs) for rows in (trace_rows._rows, trace_rows._PlainRows())
    )
    assert repr(found) == repr(expected)


def test_ids_that_are_none_are_refused_alike():
    """A trace id that has more than 128 bits is refused, from C and from Python."""
    trace = KeptTrace(1 << 128, 0, 0, "", "", False, "", None, 0, b"")
    for rows in (trace_rows._rows, trace_rows._PlainRows()):
        with pytest.raises(OverflowError):
            rows.trace(trace, 5, 9, *numbered(), None)


FRAMES = st.sampled_from([b"", b"resource", b"scope", b"other"])
RUNS = st.lists(st.tuples(FRAMES, FRAMES, st.binary(max_size=5) | st.just(b"x" * 70_000)), max_size=4)


@given(st.lists(st.tuples(st.binary(max_size=3), RUNS), max_size=5))
def test_bodies_are_joined_alike(written):
    """A chunk is the same from C and from Python, and is read again as it was written."""
    chunk = bodies._joined(written)
    assert chunk == bodies._plain_joined(written)
    assert bodies._parted(chunk) == written
