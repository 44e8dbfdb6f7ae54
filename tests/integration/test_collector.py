"""`otel-fe collector` between real senders and a backend: what is kept arrives as it came, and everything is accounted for."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.unit.collector.running import (
    EXPORT,
    KEEP_SLOW,
    LOGS,
    METRICS,
    backend,
    config,
    export,
    request,
    running,
    send,
    until,
)


@pytest.fixture(scope="module", params=["nghttp2", "grpcio"])
def grpc_server(request):
    """Have collectors receive by each of the two libraries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_FE_GRPC_SERVER", request.param)
        yield request.param


@pytest.fixture(scope="module")
def at_work(tmp_path_factory, grpc_server):
    """Return a backend, and a collector that keeps slow traces and sends to it."""
    with backend() as sink:
        text = config(
            f"127.0.0.1:{sink.port}", policies=KEEP_SLOW, extensions='{health_check: {endpoint: "localhost:0"}}'
        )
        with running(tmp_path_factory.mktemp("collector"), text) as collector:
            yield sink, collector
            assert " 0 dropped" in collector.stop()


def test_kept_spans_arrive_byte_for_byte(at_work):
    """All that a sender wrote is there, also what no version of OTLP knows yet; only `tracestate` is added."""
    sink, collector = at_work
    made = request(0xA1, slow=True)
    made.resource_spans[0].schema_url = "https://schema"
    span = made.resource_spans[0].scope_spans[0].spans[0]
    span.events.add(name="event", time_unix_nano=5).attributes.add(key="k").value.int_value = -1
    span.links.add(trace_id=b"1" * 16, span_id=b"2" * 8)
    # A field that this version of OTLP does not have, in the resource.
    sent = ExportTraceServiceRequest.FromString(made.SerializeToString())
    sent.resource_spans[0].resource.MergeFromString(b"\xc2\x3e\x03abc")
    export(collector.grpc, sent.SerializeToString())
    until(lambda: [one for one in sink.spans() if one.trace_id.endswith(b"\xa1")])
    with sink.lock:
        data = next(data for data in sink.requests[EXPORT] if b"\xa1\x12\x08" in data)
    # What other tests sent may travel in the same batch.
    (arrived,) = (one for one in ExportTraceServiceRequest.FromString(data).resource_spans if has_trace(one, b"\xa1"))
    for one in arrived.scope_spans[0].spans:
        assert one.trace_state == "ot=th:0"
        one.trace_state = ""
    assert arrived == sent.resource_spans[0]
    assert b"\xc2\x3e\x03abc" in data


def has_trace(resource_spans, last_byte):
    """Return whether a resource has spans of the trace whose id ends with a byte."""
    return any(span.trace_id.endswith(last_byte) for scope in resource_spans.scope_spans for span in scope.spans)


def test_what_is_not_kept_does_not_arrive_and_says_why(at_work):
    """`why` names each policy's vote with what it saw, for traces that are kept and for others."""
    sink, collector = at_work
    send(collector.grpc, 0xB1, slow=True)
    send(collector.grpc, 0xB2)
    slow, fast = (number.to_bytes(16, "big") for number in (0xB1, 0xB2))
    until(lambda: [one for one in sink.spans() if one.trace_id == slow])
    assert not [one for one in sink.spans() if one.trace_id == fast]
    status, kept = collector.why(0xB1)
    assert status == 0
    assert "kept by slow, weight 1" in kept
    assert "200 ms" in kept
    until(lambda: "decided" in collector.why(0xB2)[1].split("not decided")[0])
    status, other = collector.why(0xB2)
    assert status == 0
    assert "not sampled" in other
    assert "10 ms" in other
    assert "trigger decision_wait" in other


def test_unknown_and_pending_traces_are_told_apart(at_work):
    """A trace that was never sent is unknown; one whose root is missing is not decided yet."""
    _, collector = at_work
    send(collector.grpc, 0xC1, rooted=False)
    assert "not decided yet; 2 spans" in collector.why(0xC1)[1]
    status, text = collector.why(0xC2)
    assert (status, "unknown" in text) == (1, True)


@pytest.mark.alone
def test_slow_traces_are_kept_at_once(at_work):
    """The 99th of a hundred decisions takes less than 250 ms, from the export's start to the record."""
    _, collector = at_work
    times = []
    with grpc.insecure_channel(collector.grpc) as channel:
        call = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        for number in range(100):
            trace = 0xD00 + number
            began = time.monotonic()
            call(request(trace, slow=True).SerializeToString())
            until(lambda trace=trace: json.loads(collector.get(f"/decisions/{trace:032x}"))["state"] == "decided")
            times.append(time.monotonic() - began)
    assert sorted(times)[-2] < 0.25


def test_metrics_and_logs_pass_through_as_they_came(at_work):
    """Metrics and logs are forwarded byte for byte."""
    sink, collector = at_work
    metrics = ExportMetricsServiceRequest()
    metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="theirs").gauge.data_points.add(as_int=7)
    logs = ExportLogsServiceRequest()
    logs.resource_logs.add().scope_logs.add().log_records.add(severity_text="INFO").body.string_value = "hello"
    assert export(collector.grpc, metrics.SerializeToString(), METRICS) == b""
    assert export(collector.grpc, logs.SerializeToString(), LOGS) == b""
    until(lambda: metrics.SerializeToString() in sink.requests.get(METRICS, ()))
    until(sink.logs)
    assert sink.logs() == [logs]


def test_every_span_is_counted_and_exemplars_are_of_kept_traces(at_work):
    """The connector stands before sampling: it counts all, and its exemplars lead to traces that have arrived."""
    sink, collector = at_work
    send(collector.grpc, *range(0xE00, 0xE14), name="counted")
    send(collector.grpc, 0xE20, slow=True, name="counted")

    def duration():
        points = [
            point
            for metric in sink.metrics()
            if metric.name == "traces.span.metrics.duration"
            for point in metric.histogram.data_points
            if {"key": "span.name", "value": "counted 1"}
            in [{"key": a.key, "value": a.value.string_value} for a in point.attributes]
        ]
        return points[-1] if points and points[-1].count == 21 and points[-1].exemplars else None

    point = until(duration)
    assert {exemplar.trace_id for exemplar in point.exemplars} == {(0xE20).to_bytes(16, "big")}


def test_extractions_are_derived_where_no_sdk_has_done_it(tmp_path):
    """An extraction span without `th` counts; one that was decided in its process has been counted there."""
    with backend() as sink, running(tmp_path, config(f"127.0.0.1:{sink.port}")) as collector:
        send(collector.grpc, 0xF1, 0xF3, spans=1, slow=True, name="feature_extraction shop")
        decided = request(0xF2, spans=1, name="feature_extraction shop")
        decided.resource_spans[0].scope_spans[0].spans[0].trace_state = "ot=th:0"
        export(collector.grpc, decided.SerializeToString())
        until(lambda: len(sink.spans()) == 3)
        collector.stop()  # sends what is counted
        duration = [metric for metric in sink.metrics() if metric.name == "feature_extraction.duration"][-1]
        (point,) = duration.histogram.data_points
        assert point.count == 2
        assert point.exemplars[0].trace_id in {(0xF1).to_bytes(16, "big"), (0xF3).to_bytes(16, "big")}
        with sink.lock:
            last = ExportMetricsServiceRequest.FromString(
                next(data for data in reversed(sink.requests[METRICS]) if b"feature_extraction.duration" in data)
            )
        services = {
            attribute.value.string_value
            for resource in last.resource_metrics
            for attribute in resource.resource.attributes
            if attribute.key == "service.name"
        }
        assert "shop" in services
        assert "otel-fe-collector" in {
            attribute.value.string_value
            for data in sink.requests[METRICS]
            for resource in ExportMetricsServiceRequest.FromString(data).resource_metrics
            for attribute in resource.resource.attributes
        }


def test_spans_without_ids_are_rejected_and_the_rest_taken(at_work):
    """A partial success says how many, and why."""
    _, collector = at_work
    made = request(0x1A1, spans=3)
    made.resource_spans[0].scope_spans[0].spans[1].span_id = b""
    answer = send(collector.grpc, 0x1A2)
    assert not answer.HasField("partial_success")
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    answer = ExportTraceServiceResponse.FromString(export(collector.grpc, made.SerializeToString()))
    assert answer.partial_success.rejected_spans == 1
    assert "valid" in answer.partial_success.error_message


@pytest.mark.parametrize(
    "compression", [grpc.Compression.Gzip, grpc.Compression.Deflate, grpc.Compression.NoCompression]
)
def test_grpc_compression(at_work, compression):
    """Whatever gRPC knows."""
    _, collector = at_work
    before = collector.sums().get("otelcol_receiver_accepted_spans", 0)
    export(collector.grpc, request(0x1B1, 0x1B2, spans=50).SerializeToString(), compression=compression)
    assert collector.sums()["otelcol_receiver_accepted_spans"] == before + 100


@pytest.mark.parametrize("payload", [b"rubbish", b"\x0a\xff", b"\x0a\x02\x12\x00\x0a"])
def test_grpc_rubbish_is_refused_for_good(at_work, payload):
    """INVALID_ARGUMENT: its sender must not send it again."""
    _, collector = at_work
    with pytest.raises(grpc.RpcError) as caught:
        export(collector.grpc, payload)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.NoCompression])
def test_grpc_requests_that_are_too_large_are_refused(at_work, compression):
    """Requests that are too large, also only once decompressed, are refused without RetryInfo, as a retry would not help."""
    _, collector = at_work
    with pytest.raises(grpc.RpcError) as caught:
        export(collector.grpc, bytes(6 << 20), compression=compression)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not [key for key, _ in caught.value.trailing_metadata() if key == "retry-delay"]


def test_a_bomb_over_grpc_takes_no_room(at_work):
    """A quarter of a gigabyte of nothing, in a quarter of a megabyte, is refused before it is made."""
    _, collector = at_work
    before = collector.sums()["otelcol_process_memory_rss_bytes"]
    with pytest.raises(grpc.RpcError) as caught:
        export(collector.grpc, bytes(256 << 20), compression=grpc.Compression.Gzip)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert collector.sums()["otelcol_process_memory_rss_bytes"] < before + (64 << 20)


def test_unknown_methods_are_unimplemented(at_work):
    """An unknown method gets UNIMPLEMENTED, as gRPC specifies."""
    _, collector = at_work
    with pytest.raises(grpc.RpcError) as caught:
        export(collector.grpc, b"", "/opentelemetry.proto.collector.trace.v1.TraceService/Nonsense")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_health_and_figures(at_work):
    """Health answers while it works; the page of figures is for this machine only."""
    _, collector = at_work
    with urllib.request.urlopen(collector.health) as answer:
        assert json.loads(answer.read())["status"] == "Server available"
    text = collector.get("/metrics").decode()
    assert "# TYPE otel_fe_pipeline_spans_received_total counter" in text
    page = urllib.request.Request(f"http://{collector.page}/metrics", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(page)
    caught.value.close()
    assert caught.value.code == 403


def test_the_sums_add_up(at_work):
    """Received = sampled + not sampled + dropped + pending + queued."""
    _, collector = at_work
    send(collector.grpc, *range(0x2000, 0x2040))
    sums = collector.sums()
    parts = ("sampled", "not_sampled", "dropped", "pending", "queued")
    assert sums["otel_fe.pipeline.spans.received"] == sum(
        sums.get(f"otel_fe.pipeline.spans.{part}", 0) for part in parts
    )
    assert sums["otel_fe.pipeline.spans.received"] == sums["otelcol_receiver_accepted_spans"]


def test_the_python_sdk_exports_to_it(at_work):
    """Both exporters of the SDK, in a process of their own, export to the collector as applications do."""
    sink, collector = at_work
    subprocess.run([sys.executable, "-c", APPLICATION, collector.grpc, collector.http], check=True, timeout=60)
    until(lambda: {one.name for one in sink.spans()} >= {"over grpc", "over http"})


APPLICATION = """
import sys, time
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as OverGrpc
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as OverHttp
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

for name, exporter in (
    ("over grpc", OverGrpc(endpoint=f"http://{sys.argv[1]}", insecure=True)),
    ("over http", OverHttp(endpoint=f"http://{sys.argv[2]}/v1/traces", compression=Compression.Gzip)),
):
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    began = time.time_ns()
    provider.get_tracer("test").start_span(name, start_time=began).end(began + 300_000_000)
    provider.shutdown()
"""


def test_pressure_is_told_with_a_time(tmp_path):
    """A full queue behind a pipeline without a sampler: UNAVAILABLE with RetryInfo, 503 with Retry-After."""
    text = """
receivers: {otlp: {protocols: {grpc: {endpoint: "localhost:0"}, http: {endpoint: "localhost:0"}}}}
exporters: {otlp_grpc: {endpoint: "127.0.0.1:1", tls: {insecure: true}, sending_queue: {queue_size: 3, num_consumers: 1}}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [otlp_grpc]}}}
"""
    with running(tmp_path, text) as collector:
        with pytest.raises(grpc.RpcError) as caught:
            for number in range(1, 10):
                send(collector.grpc, number)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        encoded = dict(caught.value.trailing_metadata())["grpc-status-details-bin"]
        status = status_pb2.Status.FromString(encoded)
        retry = error_details_pb2.RetryInfo()
        assert status.details[0].Unpack(retry)
        assert retry.retry_delay.seconds == 1
        body = request(1).SerializeToString()
        post = urllib.request.Request(
            f"http://{collector.http}/v1/traces", body, {"Content-Type": "application/x-protobuf"}
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(post)
        refused.value.close()
        assert refused.value.code == 503
        assert refused.value.headers["Retry-After"] == "1"
        assert "queue_full" in str(collector.sums())
