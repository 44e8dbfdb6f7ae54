"""Derived metrics as points of the store: the same whether they were encoded on their way or not."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from otel_fe import semconv
from otel_fe.collector.graph.derived import Derived
from otel_fe.store.otlp_points import points_in, points_under
from otel_fe.store.store_error import InvalidItemError
from otel_fe.wire.decode import Decoder
from otel_fe.wire.fields import delimited
from otel_fe.wire.metrics import encode_scope
from tests.properties.extractions import BATCHES, encoded_span, request
from tests.properties.traffic import clock

MANY_LOOKUPS = encoded_span(attributes=[(semconv.CACHE_LOOKUPS, AnyValue(int_value=1 << 62).SerializeToString())])


@given(BATCHES)
@example([[(1, MANY_LOOKUPS), (1, MANY_LOOKUPS)]])
def test_points_are_those_of_the_encoded_metrics(batches):
    """Points are those that their metrics have once they were encoded, to the types of labels and sums; each is told once."""
    found = Derived(clock(), random.Random(1).randrange)
    for batch in batches:
        found.record(Decoder().decode(request(batch)).spans)
    changed = found.collect_changed()
    points = [point for resource, metrics in changed for point in points_under(resource, metrics)]
    encoded = [
        delimited(1, resource + delimited(2, encode_scope("otel_fe", "", metrics))) for resource, metrics in changed
    ]
    assert repr(points) == repr(list(points_in(b"".join(encoded))))
    assert found.collect_changed() == []


def test_a_resource_that_cannot_be_read_is_refused():
    """Its metrics are counted as invalid; those of other resources are stored."""
    with pytest.raises(InvalidItemError):
        points_under(b"\x0a\x05", [])
