"""Decision records: the last of them, found by their trace."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from otel_fe.store import StoreLimits
from tests.effort import examples
from tests.unit.store.parts import bed


def record(trace_id, number):
    """Return a record, as the pipeline has it."""
    return {"trace_id": f"{trace_id:032x}", "outcome": "not sampled", "number": number}


@settings(deadline=None, max_examples=examples(50))
@given(st.lists(st.lists(st.integers(0, 20), max_size=8), max_size=12), st.integers(1, 30))
def test_the_last_records_are_there(tmp_path_factory, batches, limit):
    """At least as many as are to be kept, at most a batch more; of a trace that was decided twice, the last."""
    with bed(tmp_path_factory.mktemp("store"), StoreLimits(max_records=limit)) as store:
        made = []
        for batch in batches:
            records = [record(trace_id, len(made) + i) for i, trace_id in enumerate(batch)]
            made += records
            store.write("record", *records)
        found = store.reader.decisions.last(1000)
        assert min(limit, len(made)) <= len(found) <= limit + 8
        assert found == list(reversed(made))[: len(found)]
        assert store.reader.decisions.last(3) == found[:3]
        for trace_id in range(21):
            wanted = [item for item in found if item["trace_id"] == f"{trace_id:032x}"]
            assert store.reader.decisions.of(trace_id) == (wanted[0] if wanted else None)


def test_an_id_that_only_stands_across_two_is_not_found(tmp_path):
    """The ids of a chunk stand one after the other."""
    with bed(tmp_path) as store:
        first, second = 0x11111111111111112222222222222222, 0x33333333333333334444444444444444
        store.write("record", record(first, 1), record(second, 2))
        assert store.reader.decisions.of(0x22222222222222223333333333333333) is None
        assert store.reader.decisions.of(second)["number"] == 2


def test_a_record_without_a_trace_s_id_does_not_take_the_others_with_it(tmp_path):
    """A record without a trace id is invalid; the others are stored."""
    with bed(tmp_path) as store:
        assert store.write("record", {"trace_id": "x"}, record(1, 1), {}, {"trace_id": "ff"}) == {
            "record": 1,
            "invalid": 3,
        }
        assert store.reader.decisions.last(5) == [record(1, 1)]
