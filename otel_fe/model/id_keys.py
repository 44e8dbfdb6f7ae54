"""The keys of traces and spans in dictionaries and sets: the bytes of an id, whose hash is salted.

Senders of spans, or of a `traceparent` header, choose ids, and the hash of an integer is the integer modulo 2**61 - 1. So any
number of traces' ids can be made that share one: to look each of n of them up then takes the square of n steps. Of spans' ids
eight at the most share one; but where a dictionary looks next after a place that is taken is no secret either, and ids can be
made to follow each other through all of it. With 80 000 of those, a dictionary takes eight seconds, and a set half a second.
"""

from __future__ import annotations


def trace_key(trace_id: int) -> bytes:
    """Return the 16 bytes of a trace's id."""
    return trace_id.to_bytes(16, "big")


def span_key(span_id: int) -> bytes:
    """Return the 8 bytes of a span's id."""
    return span_id.to_bytes(8, "big")
