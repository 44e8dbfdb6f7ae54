"""Values of an application's own types: numbers of NumPy's kind, texts that are no UTF-8, counts that are none."""

from __future__ import annotations

import logging

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

import otel_fe
from otel_fe.sdk.plain_values import valid_text, whole
from otel_fe.testing import capture

PREFIX = "feature_extraction."


class Int64:
    """A number as NumPy's: no `int`, but an index."""

    def __init__(self, value):
        self._value = value

    def __index__(self):
        return self._value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5),
        (True, 1),
        (Int64(7), 7),
        (2.0, 2),
        (2.5, None),
        (None, None),
        ("3", None),
        (float("nan"), None),
        ([], None),
    ],
)
def test_counts_are_whole_numbers(value, expected):
    """Integers of any kind are taken, and nothing is rounded."""
    found = whole(value)
    assert found == expected
    assert type(found) is (type(None) if expected is None else int)


def test_counts_and_sizes_stay_integers():
    """Counts and sizes are integers on the span, in the metrics and in OTLP."""
    with capture() as captured:
        with otel_fe.extraction("x", batch_size=Int64(32), features=Int64(12)) as running:
            running.cache_hit(Int64(3))
            running.cache_miss(Int64(1))
        span = captured.extraction("x")
        assert captured.total(f"{PREFIX}cache.lookups", result="hit") == 3
    expected = {"batch.size": 32, "features": 12, "cache.lookups": 4, "cache.hits": 3}
    assert {name: span.attributes[f"{PREFIX}{name}"] for name in expected} == expected
    (encoded,) = encode_spans([span]).resource_spans[0].scope_spans[0].spans
    kinds = {one.key: one.value.WhichOneof("value") for one in encoded.attributes}
    assert {kinds[f"{PREFIX}{name}"] for name in expected} == {"int_value"}


@pytest.mark.parametrize("count", [None, "many", 1.5, -1, object()])
def test_a_count_that_is_none_is_left_out_and_named(count, caplog):
    """An invalid count is omitted, and every metric stays."""
    with capture() as captured, caplog.at_level(logging.WARNING, "otel_fe"):
        with otel_fe.extraction("x") as running:
            running.cache_hit(count)
            running.cache_miss()
        assert captured.total(f"{PREFIX}cache.lookups") == 1
        assert captured.total(f"{PREFIX}duration") == 1
        assert captured.extraction("x").attributes[f"{PREFIX}cache.lookups"] == 1
    assert "count whole numbers" in caplog.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [("plain", "plain"), ("grün", "grün"), ("a\udcffb", "a\ufffdb"), ("\ud83d\ude00", "😀"), ("", "")],
)
def test_a_lone_surrogate_becomes_the_replacement_character(text, expected):
    """A lone surrogate, as in a file name that is not UTF-8, is replaced; the rest of the text stays."""
    assert valid_text(text) == expected


def test_a_surrogate_costs_no_other_span_and_no_metric():
    """The exporter encodes a batch as a whole: what protobuf refuses, it refuses with all the others."""
    with capture() as captured:
        tracer = captured.traces.get_tracer("mine")
        with (
            otel_fe.extraction("caf\udce9"),
            tracer.start_as_current_span("own \udcff", attributes={"file": "\udcff", "all": ["\udcff"]}) as own,
        ):
            own.add_event("event \udcff", {"key \udcff": "\udcff"})
        with otel_fe.extraction("good"):
            pass
        encoded = encode_spans(captured.spans).SerializeToString()
        assert encode_metrics(captured.reader.get_metrics_data()).SerializeToString()
        span = captured.extraction("caf\ufffd")
    assert b"feature_extraction good" in encoded
    assert span.attributes[f"{PREFIX}feature_set"] == "caf\ufffd"
    (own_span,) = (one for one in captured.spans if one.name == "own \ufffd")
    assert dict(own_span.attributes)["file"] == "\ufffd"
    assert own_span.attributes["all"] == ("\ufffd",)
    assert (own_span.events[0].name, dict(own_span.events[0].attributes)) == ("event \ufffd", {"key \ufffd": "\ufffd"})
