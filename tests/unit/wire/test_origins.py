"""Resources and scopes are known by their bytes, and not more of them than there is room for."""

from __future__ import annotations

import pytest

from otel_fe.wire.decode import decode
from otel_fe.wire.fields import delimited
from otel_fe.wire.resource_scope import Interned, WireResource, WireScope
from otel_fe.wire.wire_error import WireError


def frame(name: bytes) -> bytes:
    return delimited(3, name)


def test_equal_bytes_are_one_object():
    known = Interned(WireResource)
    assert known[frame(b"a")] is known[frame(b"a")]
    assert known[frame(b"a")] is not known[frame(b"b")]


def test_the_least_recently_seen_is_forgotten():
    known = Interned(WireResource, count=2)
    first, second = known[frame(b"a")], known[frame(b"b")]
    assert known[frame(b"a")] is first
    known[frame(b"c")]
    assert len(known) == 2
    assert known[frame(b"a")] is first
    assert known[frame(b"b")] is not second


def test_large_ones_do_not_add_up():
    """The cache limits its bytes as well as its number of entries; an entry above the byte limit is not cached."""
    known = Interned(WireScope, size_bytes=1_000)
    for number in range(100):
        known[frame(b"%03d" % number * 30)]
    assert 5 <= len(known) <= 10
    assert known[frame(b"x" * 2_000)].frame == frame(b"x" * 2_000)
    assert len(known) <= 10


def test_what_is_none_is_refused_and_not_remembered():
    known = Interned(WireResource)
    for wrong in (frame(b"\xff"), delimited(1, b"\x0a\x05")):
        with pytest.raises(WireError, match="a ResourceSpans that is none"):
            known[wrong]
    assert len(known) == 0


def test_what_a_scope_learns_is_bounded():
    """A scope's cache is bounded, whatever the number of requested keys and of values."""
    for number in range(600):
        attribute = delimited(9, delimited(1, b"k") + delimited(2, delimited(1, b"%d" % number)))
        span = delimited(1, b"t" * 16) + delimited(2, b"s" * 8) + attribute
        (found,) = decode(delimited(1, delimited(2, delimited(2, span)))).spans
        assert found.attributes["k"] == str(number)
        assert found.attributes.get(f"key {number}") is None
        assert len(found.scope.sought) <= 256
        assert all(len(known.values) <= 512 for known in found.scope.sought.values())
