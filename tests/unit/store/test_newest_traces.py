"""The newest whole traces of a selection, and how many it has."""

from __future__ import annotations

import pytest

from otel_fe.store import Selection
from otel_fe.store.newest_traces import NewestTraces
from tests.unit.store.parts import HOUR, MINUTE, T0, bed, extraction, trace

ALL = Selection(0, T0 + HOUR, whole_traces=True)


@pytest.fixture
def store(tmp_path):
    with bed(tmp_path / "store") as made:
        yield made


def test_a_trace_counts_once_whatever_it_has(store):
    """Extractions of one trace, and what came late of it, are one; the newest come first."""
    for number in range(5):
        at = T0 + number * MINUTE
        store.write("trace", trace(number + 1, extraction(at), extraction(at + 5), extraction(at + 7)))
    store.write("trace", trace(1, extraction(T0 + 9)))
    found = store.reader.newest(ALL, limit=2)
    assert found == NewestTraces((5, 4), T0 + 3 * MINUTE + 7, T0 + 4 * MINUTE + 7, 5)
    assert store.reader.newest(ALL, limit=100).trace_ids == (5, 4, 3, 2, 1)


def test_only_what_is_selected_counts(store):
    store.write("trace", trace(1, extraction(T0)), trace(2, extraction(T0, feature_set="other")))
    assert store.reader.newest(Selection(0, T0 + HOUR, feature_set="other"), limit=9).trace_ids == (2,)
    store.write("trace", trace(3, extraction(T0 + 1, feature_set=None)))
    assert store.reader.newest(ALL, limit=9).total == 3
    assert store.reader.newest(Selection(0, T0), limit=9) == NewestTraces((), 0, 0, 0)
