"""The bodies of traces: several together, each as it was given, gone with the last of them, and readable in older files."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import struct
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe.errors import MissingExtraError
from otel_fe.store.bodies import Bodies, chunks_of, request_of, run_of
from otel_fe.store.database import FILE_NAME, make_directory
from otel_fe.store.limits import StoreLimits
from otel_fe.store.packing import Packing
from otel_fe.store.reader import StoreReader
from otel_fe.store.schema import MIGRATIONS, migrate
from otel_fe.store.selection import Selection
from otel_fe.store.string_table import StringTable
from otel_fe.testing import FakeClock
from tests.unit.store.parts import NS, T0, bed, extraction, otlp, trace

ALL = Selection(0, 1 << 62)


def request(number):
    """Return the spans of a trace."""
    return otlp((number, number, 0, "feature_extraction", {"user.tier": f"tier {number % 3}"}))


FRAMES = st.sampled_from([b"", b"a", b"resource" * 20, b"scope"])
RUNS = st.lists(st.tuples(FRAMES.filter(bool), FRAMES, st.binary(min_size=1, max_size=9_000)), max_size=5)
SPANS = st.one_of(st.binary(max_size=20_000).map(lambda spans: [run_of(spans)]), RUNS)


@given(st.lists(st.tuples(st.binary(max_size=50), SPANS), max_size=12), st.integers(1, 1 << 40))
def test_a_body_is_read_as_it_was_given(bodies, first):
    """Whatever is in it, whichever chunk it lies in."""
    packing = Packing(b"texts")
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        connection.execute("INSERT INTO meta VALUES ('texts', ?)", (b"texts",))
        connection.executemany("INSERT INTO chunk VALUES (?, ?, ?)", chunks_of(first, bodies, packing))
        reader = Bodies(connection)
        expected = [(record, request_of(runs)) for record, runs in bodies]
        assert [reader.of(key, None) for key in range(first, first + len(bodies))] == expected
        assert reader.of(first - 1, None) == reader.of(first + len(bodies), None) == (b"", b"")


@pytest.mark.parametrize("texts", [b"", b"service.name", b"t" * 5_000])
@pytest.mark.parametrize("fast", [False, True])
def test_what_is_packed_is_unpacked(texts, fast):
    """With any texts, however long; damage is an error of zlib's, as readers expect."""
    for data in (b"", b"a", b"service.name shop " * 2_000):
        packed = Packing(texts).pack(data, fast=fast)
        assert Packing(texts).unpack(packed) == data
        if packed is not None and fast:
            assert packed.startswith(b"\x28\xb5\x2f\xfd")
            with pytest.raises(zlib.error):
                Packing(texts).unpack(packed[: len(packed) // 2])


def test_without_zstandard_zlib_packs_and_the_missing_extra_is_named(monkeypatch):
    """A reader without the extra can read what zlib has packed, and says what the rest needs."""
    packed = Packing(b"").pack(b"data" * 100, fast=True)
    monkeypatch.setitem(sys.modules, "zstandard", None)
    packing = Packing(b"")
    without = packing.pack(b"data" * 100, fast=True)
    assert packing.unpack(without) == b"data" * 100
    with pytest.raises(MissingExtraError, match=r"otel-fe\[collector\]"):
        packing.unpack(packed)


def test_runs_are_the_request_that_leaves():
    """Each resource once, and in it each scope, in the order in which they come first: what `wire.encode` makes of the same spans."""
    from otel_fe.model.decision import Decision
    from otel_fe.wire.decode import Decoder
    from otel_fe.wire.encode import encode, runs_of

    shop, cart = (
        otlp((1, n, 0, "GET", {"n": n}), (1, n + 1, 0, "GET", {}), resource={"service.name": s})
        for n, s in ((1, "shop"), (3, "cart"))
    )
    decoder, decision = Decoder(), Decision(sampled=True, reason="all", threshold=1 << 50)
    spans = [span for part in (shop, cart, shop) for span in decoder.decode(part, sized=False).spans]
    runs = [(resource.frame, scope.frame, data) for resource, scope, data, _ in runs_of(spans, decision)]
    ((expected, count),) = encode([(spans, decision)])
    assert count == 6
    assert request_of(runs) == expected
    assert expected.count(b"ot=th:") == 6


def test_chunks_of_earlier_versions_are_read():
    """Number of bodies, two lengths for each, and then record and spans of each."""
    bodies = [(b"{}", b"spans"), (b"", b"more"), (b'{"a":1}', b"")]
    sizes = [len(part) for body in bodies for part in body]
    data = struct.pack("<7I", 3, *sizes) + b"".join(part for body in bodies for part in body)
    packing = Packing(b"texts")
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        connection.execute("INSERT INTO meta VALUES ('texts', ?)", (b"texts",))
        connection.execute("INSERT INTO chunk VALUES (5, 7, ?)", (packing.pack(data),))
        assert [Bodies(connection).of(key, None) for key in (5, 6, 7)] == bodies


def test_many_traces_share_few_chunks_and_lose_nothing(tmp_path):
    """A commit's traces lie together; spans, record and logs of each are its own."""
    with bed(tmp_path) as store:
        traces = [
            trace(
                number,
                extraction(span_id=number),
                spans=request(number),
                record={"trace_id": f"{number:032x}", "n": number},
                logs=b"log %d" % number,
            )
            for number in range(1, 301)
        ]
        store.session.write([], T0)
        assert store.write("traces", tuple(traces)) == {"traces": 1}
        with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as file:
            assert 1 < file.execute("SELECT count(*) FROM chunk").fetchone()[0] < 10
        for one in traces:
            assert store.reader.traces.by_id(one.trace_id) == one
        counts = store.reader.attribute_counts(ALL, limit=1_000)
        assert counts.values["user.tier"] == {f"tier {number}": 100.0 for number in range(3)}


def test_chunks_go_with_the_last_of_their_traces(tmp_path):
    """A chunk is removed with the last of its traces, neither earlier nor later."""
    clock = FakeClock(T0)
    with bed(tmp_path, StoreLimits(max_age_s=100), clock) as store:
        store.write("traces", tuple(trace(number, spans=request(number)) for number in range(1, 251)))
        clock.advance(60)
        store.write("trace", trace(1_000, spans=request(1_000)))
        clock.advance(60)
        store.tidy()
        assert store.reader.traces.by_id(250) is None
        assert store.reader.traces.by_id(1_000).spans == request(1_000)
        with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as file:
            assert file.execute("SELECT key, last FROM chunk").fetchall() == [(251, 251)]
        clock.advance(60)
        store.tidy()
        with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as file:
            assert file.execute("SELECT count(*) FROM chunk").fetchone()[0] == 0


def test_bodies_of_a_store_of_the_second_version_are_read(tmp_path):
    """Before and after it is brought up; what is written then lies beside."""
    make_directory(tmp_path)
    texts, record = b"old texts", {"trace_id": f"{5:032x}"}
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as old:
        migrate(old, MIGRATIONS[:2])
        old.execute("INSERT INTO meta VALUES ('texts', ?)", (texts,))
        service, policy = StringTable(old).number("shop"), StringTable(old).number("slow")
        encoded = json.dumps(record).encode()
        packer = zlib.compressobj(level=6, zdict=texts)
        body = packer.compress(struct.pack("<I", len(encoded)) + encoded + request(5)) + packer.flush()
        row = (5, (5).to_bytes(16, "big"), T0 // NS, T0, T0 + NS, "GET /", service, 0, policy, 1.0, 1, body, None)
        old.execute(f"INSERT INTO trace VALUES ({', '.join('?' * 13)})", row)
    with StoreReader(tmp_path) as reader:
        found = reader.traces.by_id(5)
        assert (found.spans, found.record, found.policy) == (request(5), record, "slow")
        with bed(tmp_path, clock=FakeClock(T0)) as store:
            store.write("trace", trace(6, extraction(), spans=request(6)))
            assert reader.traces.by_id(5) == found
            assert reader.traces.by_id(6).spans == request(6)
