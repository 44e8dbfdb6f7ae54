"""Decision records: the last of them, found by their trace."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import struct
import zlib

from hypothesis import given, settings
from hypothesis import strategies as st

from otel_fe.store import KeptBatch, StoreLimits, StoreReader
from otel_fe.store.database import FILE_NAME, make_directory
from otel_fe.store.packing import Packing
from otel_fe.store.policy_rows import PolicyRows
from otel_fe.store.schema import MIGRATIONS, migrate
from otel_fe.store.string_table import StringTable
from otel_fe.testing import FakeClock
from tests.effort import examples
from tests.unit.store.parts import NS, T0, bed


def record(trace_id, number):
    """Return a record, as the pipeline has it."""
    return {"trace_id": f"{trace_id:032x}", "outcome": "not sampled", "number": number}


@settings(deadline=None, max_examples=examples(50))
@given(st.lists(st.lists(st.integers(0, 20), max_size=8), max_size=12), st.integers(1, 30))
def test_the_last_records_are_there(tmp_path_factory, batches, limit):
    """The ring has at least the configured number of records, at most a batch more; of a trace decided twice, the last."""
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


def test_records_of_a_store_of_the_seventh_version_are_read(tmp_path):
    """Before and after it is brought up, of traces that were kept and of those that were not; new ones lie beside."""
    make_directory(tmp_path)
    dropped, kept = [record(trace_id, trace_id) for trace_id in (1, 2)], record(5, 5)
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as old:
        migrate(old, MIGRATIONS[:7])
        old.execute("INSERT INTO meta VALUES ('texts', ?)", (b"old texts",))
        service, policy = StringTable(old).number("shop"), StringTable(old).number("slow")
        ids = b"".join(trace_id.to_bytes(16, "big") for trace_id in (1, 2))
        old.execute("INSERT INTO record VALUES (2, ?, ?)", (ids, zlib.compress(json.dumps(dropped).encode())))
        row = (5, (5).to_bytes(16, "big"), T0 // NS, T0, T0 + NS, "GET /", service, 0, policy, 1.0, 1, None, None)
        old.execute(f"INSERT INTO trace VALUES ({', '.join('?' * 13)})", row)
        body = json.dumps(kept).encode()
        old.execute(
            "INSERT INTO chunk VALUES (5, 5, ?)",
            (Packing(b"old texts").pack(struct.pack("<3I", 1, len(body), 0) + body),),
        )
    with StoreReader(tmp_path) as reader:
        for _ in range(2):
            assert reader.decisions.last(2) == dropped[::-1]
            assert reader.decisions.of(1) == dropped[0]
            assert reader.traces.by_id(5).record == kept
            with bed(tmp_path, clock=FakeClock(T0)):
                pass
        with bed(tmp_path, clock=FakeClock(T0)) as store:
            store.write("record", record(3, 3))
            assert reader.decisions.last(3) == [record(3, 3), *dropped[::-1]]


def test_records_that_are_encoded_already_are_stored_as_they_are(tmp_path):
    """Encoded records are JSON that names its trace first; other bytes are invalid."""
    with bed(tmp_path) as store:
        encoded = json.dumps(record(7, 1), separators=(",", ":")).encode()
        batch = KeptBatch(records=(encoded, b"{}", b"\x01short", record(8, 2)))
        assert store.write("batch", batch) == {"record": 2, "invalid": 2}
        assert store.reader.decisions.of(7) == record(7, 1)
        assert store.reader.decisions.last(5) == [record(8, 2), record(7, 1)]


def test_policies_are_bounded_and_the_longest_unused_go(tmp_path):
    """A configuration that changes all the time fills no disk."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        rows = PolicyRows(connection, 3)
        for second, name in enumerate(b"abacad"):
            rows.add({bytes([name]): b"described"}, T0 // NS + 4_000 * second)
        found = connection.execute("SELECT fingerprint FROM policies ORDER BY seen_s").fetchall()
        assert found == [(b"c",), (b"a",), (b"d",)]
        rows.forget()
        rows.add({b"a": b"described"}, T0 // NS + 4_000 * 7)
        assert connection.execute("SELECT fingerprint FROM policies ORDER BY seen_s DESC").fetchone() == (b"a",)
