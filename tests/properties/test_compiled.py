"""The compiled modules against their plain twins: the same results for valid and invalid OTLP."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1 import trace_pb2 as wire

from otel_fe import compiled, semconv
from otel_fe.config.settings import PREFIX, Settings
from otel_fe.model.decision import Decision
from otel_fe.model.randomness import fnv1a, hash_of, plain_hash_of
from otel_fe.model.span import Span
from otel_fe.pipeline import extractions
from otel_fe.pipeline.buffered_trace import BufferedTrace
from otel_fe.pipeline.decision_cache import key_of, plain_key_of
from otel_fe.wire.batch import Batch
from otel_fe.wire.decode import Decoder
from otel_fe.wire.encode import encode as encode_kept
from otel_fe.wire.wire_error import WireError
from tests.bench.otlp_traffic import traffic
from tests.corpus.wire import encode
from tests.properties.encoded_spans import payload_of
from tests.unit.wire.otlp import REQUESTS

IDS = st.integers(1, 2**128 - 1)
REPOSITORY = Path(__file__).parents[2]

needs_it = pytest.mark.skipif(compiled.backend is None, reason="not compiled, or switched off")


@contextmanager
def plain():
    """Leave the compiled parts out."""
    with patch.object(compiled, "backend", None):
        yield


def test_it_is_compiled_where_there_is_a_compiler():
    """The tests below would be skipped, and all others pass, if it were not."""
    if os.environ.get(compiled.SWITCH) == "false":
        pytest.skip("switched off")
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    assert compiled.backend is not None or shutil.which(compiler) is None


def test_the_switch_is_a_setting():
    """`OTEL_FE_COMPILED` is in the table of variables, and accepted."""
    assert PREFIX + "COMPILED" == compiled.SWITCH
    assert Settings().compiled == "true"


def test_it_is_left_out_where_there_is_no_global_interpreter_lock(monkeypatch):
    """The compiled module relies on the global interpreter lock, and importing it would enable the lock for the whole process."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    assert compiled.load({})[0] is None
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: True)
    assert compiled.load({compiled.SWITCH: os.environ.get(compiled.SWITCH, "")})[0] is compiled.backend


def described(span):
    """Return all that there is to know of a span."""
    fields = (
        "trace_id",
        "span_id",
        "parent_id",
        "name",
        "kind",
        "start_ns",
        "end_ns",
        "status",
        "flags",
        "trace_state",
    )
    return (
        *(getattr(span, name) for name in (*fields, "has_status", "raw")),
        repr(dict(span.attributes)),
        repr(span.events),
        span.status_message,
        (span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count),
        (span.resource.frame, span.scope.frame),
    )


def decoded(payload):
    """Return what a request holds, or what is wrong with it."""
    try:
        batch = Decoder().decode(payload, sized=True)
    except WireError as error:
        return str(error)
    traces = [(trace.trace_id, trace.size_bytes, [described(span) for span in trace.spans]) for trace in batch.traces]
    return traces, batch.rejected


@st.composite
def damaged(draw):
    """Return the bytes of a request, a few of which are others, too many, or missing."""
    payload = bytearray(draw(REQUESTS).SerializeToString())
    for _ in range(draw(st.integers(0, 3))):
        if payload:
            at = draw(st.integers(0, len(payload) - 1))
            payload[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(payload)


@needs_it
@given(damaged())
def test_a_request_is_decoded_alike(payload):
    """Every field of every span, what is rejected, and what is refused."""
    found = decoded(payload)
    with plain():
        assert decoded(payload) == found


@needs_it
def test_a_usual_request_is_read_in_c():
    """The test above would pass if none were; and what is unusual in one span makes its request so."""
    usual, odd = traffic(1).requests[0], Span(1, 0, name="without an id")
    assert isinstance(Decoder().decode(usual), compiled.backend.Batch)
    assert isinstance(Decoder().decode(usual + encode([odd])), Batch)


@needs_it
@pytest.mark.parametrize("field", ["dropped_attributes_count", "dropped_events_count", "dropped_links_count"])
@pytest.mark.parametrize("count", [0, 127, 128, 300, (1 << 28) - 1])
def test_a_span_that_dropped_much_is_usual(field, count):
    """A request with one went to Python as a whole."""
    span = wire.Span(trace_id=b"t" * 16, span_id=b"s" * 8, **{field: count})
    span.attributes.add(key="without a value")
    batch = Decoder().decode(payload_of(span.SerializeToString()))
    assert isinstance(batch, compiled.backend.Batch)
    (found,) = batch.spans
    assert getattr(found, field) == count
    assert compiled.backend.Picker(["without a value"], "w")(found) is None, "it is not a plain value"
    assert compiled.backend.Picker(["other"], "w")(found) == [0]


@needs_it
@given(REQUESTS)
def test_a_trace_adds_up_alike(request):
    """Both implementations add a trace up to the same sums."""
    for trace in Decoder().decode(request.SerializeToString()).traces:
        sums = []
        for _ in range(2):
            received = BufferedTrace(trace.trace_id, 1)
            for part in (trace.spans[:1], trace.spans[1:]):
                received.add(part, 10, 7)
            sums.append([getattr(received, name) for name in BufferedTrace.__slots__ if name != "_told"])
            with plain():
                received = BufferedTrace(trace.trace_id, 1)
                for part in (trace.spans[:1], trace.spans[1:]):
                    received.add(part, 10, 7)
                sums.append([getattr(received, name) for name in BufferedTrace.__slots__ if name != "_told"])
        assert all(one == sums[0] for one in sums)


@needs_it
@given(REQUESTS, st.sampled_from([None, 0, 1 << 55]), st.booleans(), st.booleans())
def test_kept_spans_leave_alike(request, threshold, released, record_policy):
    """Byte for byte."""
    decision = Decision(sampled=True, reason="slow", threshold=threshold)
    batch = Decoder().decode(request.SerializeToString())
    kept = [(trace.spans, decision) for trace in batch.traces]
    if released:
        batch.release()
    found = list(encode_kept(kept, maximum_bytes=1 << 30, record_policy=record_policy))
    with plain():
        assert list(encode_kept(kept, maximum_bytes=1 << 30, record_policy=record_policy)) == found


@needs_it
def test_spans_that_stand_together_leave_in_one_run():
    """A run holds as many spans as fit; a span is alone in its run if it gets an addition that the others do not."""
    spans = list(Decoder().decode(encode([Span(1, n + 1, name="x" * 200) for n in range(10)])).spans)
    assert [run[3] for run in compiled.backend.runs(spans, b"", bytes, 1 << 20)] == [10]
    size = len(spans[0].raw) + 3
    assert [run[3] for run in compiled.backend.runs(spans, b"", bytes, 4 * size)] == [4, 4, 2]
    assert [run[3] for run in compiled.backend.runs(spans, b"", bytes, 5)] == [1] * 10
    spans[3].trace_state = "a=b"
    assert [run[2] for run in compiled.backend.runs(spans, b"", lambda span: span, 1 << 20)][1:2] == [spans[3]]
    assert [run[3] for run in compiled.backend.runs(spans, None, lambda _: b"", 1 << 20)] == [1] * 10


@given(IDS, st.text(max_size=10))
def test_ids_are_hashed_alike(trace_id, salt):
    """Both implementations hash ids as the definition says."""
    salted = fnv1a(salt.encode())
    expected = fnv1a(salt.encode() + trace_id.to_bytes(16, "big"))
    assert hash_of(salted, trace_id) == plain_hash_of(salted, trace_id) == expected
    assert key_of(trace_id) == plain_key_of(trace_id)


@given(
    st.lists(
        st.sampled_from(["feature_extraction", "feature_extraction a", "feature_extractions", "a", ""]), max_size=9
    )
)
def test_extractions_are_found_alike(names):
    """Both implementations recognise an extraction by its whole name or its first word."""
    plain_spans = [Span(1, number, name=name) for number, name in enumerate(names, 1)]
    expected = [span.span_id for span in plain_spans if extractions.is_extraction(span)]
    assert [span.span_id for span in extractions.extractions_in(plain_spans)] == expected
    spans = Decoder().decode(encode(plain_spans)).spans if names else []
    assert [span.span_id for span in extractions.extractions_in(spans)] == expected


VALUES = st.one_of(
    st.text(max_size=200),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.binary(max_size=5),
    st.just([1]),
)
MEASURED = st.dictionaries(
    st.sampled_from((*extractions._TEXTS, *extractions._NUMBERS, *extractions._TIMES, "other")),
    VALUES | st.integers(0, 3) | st.floats(0, 1),
    max_size=8,
)


@needs_it
@given(MEASURED)
def test_an_extraction_says_the_same(attributes):
    """Whatever its attributes hold."""
    plain_span = Span(1, 2, name=semconv.SPAN_NAME, attributes=attributes)
    (span,) = Decoder().decode(encode([plain_span])).spans
    found = extractions._pick(span)
    assert found is None or repr(found) == repr(extractions._picked(span))
    assert extractions._pick(plain_span) is None, "only spans off the wire are read in C"


@needs_it
def test_a_usual_extraction_is_read_in_c():
    """The test above would pass if nothing were."""
    attributes = {semconv.FEATURE_SET: "a", semconv.CACHE_LOOKUPS: 300, semconv.CPU_TIME: 0.25, "x": True}
    (span,) = Decoder().decode(encode([Span(1, 2, name="feature_extraction a", attributes=attributes)])).spans
    assert extractions._pick(span) == ["a", "", "", 300, 0, 0, None, None, 250_000_000]


@pytest.mark.thorough
@needs_it
@pytest.mark.timeout(300)
def test_everything_works_without_it(tmp_path):
    """The wire, the corpus and the engine, in a process that has it switched off."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'inside'}"),
            "--hypothesis-profile=between_edits",  # the properties are tried with all examples in the process around
            *("tests/unit/wire", "tests/unit/pipeline/test_corpus.py", "tests/unit/collector/test_graph.py"),
        ],
        cwd=REPOSITORY,
        env={**os.environ, compiled.SWITCH: "false"},
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4_000:]
