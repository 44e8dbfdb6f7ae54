"""Slow extractions with stacks, for the tests of profiles."""

from __future__ import annotations

from otel_fe.profiles.stacks import SlowExtraction, lines_of, stacks_of

RESIZE = "shop/embedding.py:88 resize"


def slow(folded, top=(), *, number=1, weight=1.0, service="shop", feature_set="image"):
    return SlowExtraction(
        trace_id=number,
        span_id=number,
        start_ns=1_700_000_000_000_000_000 + number,
        duration_ns=125_000_000,
        service=service,
        feature_set=feature_set,
        weight=weight,
        stacks=stacks_of(folded),
        lines=lines_of(top),
    )
