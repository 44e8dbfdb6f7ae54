"""Spans as a tree, for the tests inside an environment."""

from __future__ import annotations

from contextlib import contextmanager

from otel_fe import faults
from otel_fe.testing import capture

PREFIX = "feature_extraction."


def tree(captured):
    """Return the spans as nested tuples of names, children in the order in which they began."""
    below = {}
    for span in sorted(captured.spans, key=lambda span: span.start_time):
        below.setdefault(span.parent.span_id if span.parent else 0, []).append(span)

    def of(parent):
        found = []
        for span in below.get(parent, []):
            inner = of(span.context.span_id)
            found.append((span.name, *inner) if inner else span.name)
        return found

    return of(0)


def told(span):
    """Return what a span tells of its call: library, batch size and features, each None where absent."""
    return tuple(span.attributes.get(PREFIX + name) for name in ("library", "batch.size", "features"))


@contextmanager
def watching(**settings):
    """Instrument this process for a block, in which no hook may fail."""
    faults.reset()
    with capture(**settings) as captured:
        yield captured
    assert not faults.counts(), faults.counts()
