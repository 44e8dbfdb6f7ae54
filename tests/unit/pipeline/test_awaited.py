"""What a trace still waits for, kept up to date, is what a look at all of its spans says."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from otel_fe import compiled
from otel_fe.model.span import CLIENT, INTERNAL, PRODUCER, Span
from otel_fe.pipeline import received
from otel_fe.pipeline.awaited import Awaited
from otel_fe.pipeline.received import ReceivedTrace

SPANS = st.builds(
    Span,
    trace_id=st.just(1),
    span_id=st.integers(1, 5),
    parent_id=st.integers(0, 6),
    name=st.sampled_from(["a", "b"]),
    kind=st.sampled_from([INTERNAL, CLIENT, PRODUCER]),
    attributes=st.sampled_from([{}, {"db.system": "redis"}]),
)


@given(st.lists(st.lists(SPANS, max_size=4), max_size=5))
def test_the_same_is_awaited_however_it_comes(requests):
    """After each request, by looking at its spans alone, or at all that have come."""
    for spans in requests:
        for span in spans:
            span.name = f"{span.name} {dict(span.attributes)}"  # spans of one scope and name are alike
    one, few = ReceivedTrace(1, 1), ReceivedTrace(1, 1)
    one.awaited = Awaited()
    with patch.object(compiled, "spans", None):
        for spans in requests:
            for trace in (one, few):
                trace.add(spans, 0, 1)
            with patch.object(received, "_FEW_SPANS", -1):
                found = one.whole
            assert found is few.whole


def test_many_spans_are_looked_at_once():
    """However often somebody asks: each request of one span would look at all before it."""
    asked = []

    class Asked(Span):
        number = 0
        span_id = property(
            lambda self: asked.append(self) or self.number, lambda self, value: setattr(self, "number", value)
        )

    trace = ReceivedTrace(1, 1)
    trace.add([Span(1, 1)], 0, 1)
    for n in range(2, 1_500):
        trace.add([Asked(1, n, 1 if n < 1_400 else 9_999)], 0, 1)
        if n > 1_100:
            before = len(asked)
            assert trace.whole is (n < 1_400)
            assert len(asked) - before <= (1_100 if n == 1_101 else 1)
