"""Profiles that a process sends itself: through `otel-fe collector` and a real Collector, and to backends that take none."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2 import ExportProfilesServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_fe.semconv import STACKS_EVENT
from tests.integration.launched import write
from tests.integration.servers import free_port
from tests.integration.test_profiles_signal import PROFILES, REAL
from tests.otlp import attributes
from tests.real.collector import RunningCollector, built_collector
from tests.unit.collector.running import EXPORT, backend, running, until

APP = """
import os, sys, time
import otel_fe
otel_fe.configure()

def resize():
    time.sleep(0.2)

@otel_fe.extraction("user_profile")
def extract(secret):
    resize()

@otel_fe.extraction("healthy")
def healthy():
    pass

healthy()
extract("a local value")
if "fork" in sys.argv:
    if child := os.fork():
        os.waitpid(child, 0)
    else:
        extract("in the child")
        sys.exit()
"""
OURS = """
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "localhost:0"}}, http: {{endpoint: "localhost:0"}}}}}}}}
exporters:
  otlp_grpc/real: {{endpoint: "127.0.0.1:{real}", tls: {{insecure: true}}}}
  otlp_grpc: {{endpoint: "127.0.0.1:{port}", tls: {{insecure: true}}}}
service:
  pipelines:
    profiles: {{receivers: [otlp], exporters: [otlp_grpc/real]}}
    traces: {{receivers: [otlp], exporters: [otlp_grpc]}}
"""


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Return a collector in front of a real Collector, and the backend behind: spans arrive there from the former."""
    folder, port = tmp_path_factory.mktemp("chain"), free_port()
    with (
        backend() as sink,
        RunningCollector(
            built_collector(),
            REAL.format(port=port, behind=sink.port),
            folder,
            [port],
            gates=["service.profilesSupport"],
        ),
        running(folder, OURS.format(real=port, port=sink.port), name="ours.yaml") as collector,
    ):
        yield sink, collector


def run(folder, service, endpoint, *arguments, **more):
    """Run the application to its end; return what it logged."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    settings = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_SERVICE_NAME": service,
        "OTEL_RESOURCE_ATTRIBUTES": "host.name=one",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{endpoint}",
        "OTEL_FE_PROFILES": "otlp",
        **more,
    }
    done = subprocess.run(
        [sys.executable, write(folder, APP), *arguments],
        env=environ | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def of_service(sink, service):
    """Return the profiles of a service, each as its link, feature set, stacks and duration."""
    with sink.lock:
        requests = [ExportProfilesServiceRequest.FromString(one) for one in sink.requests.get(PROFILES, ())]
    return [
        _read(one, request.dictionary)
        for request in requests
        for resource in request.resource_profiles
        if attributes(resource.resource.attributes).items() >= {"service.name": service, "host.name": "one"}.items()
        for scope in resource.scope_profiles
        for one in scope.profiles
    ]


def _read(profile, tables):
    def named(indices):
        pairs = [tables.attribute_table[index] for index in indices]
        return {tables.string_table[one.key_strindex]: one.value.string_value for one in pairs}

    def stack(sample):
        lines = [tables.location_table[at].lines[0] for at in tables.stack_table[sample.stack_index].location_indices]
        return [tables.string_table[tables.function_table[line.function_index].name_strindex] for line in lines]

    links = [tables.link_table[sample.link_index] for sample in profile.samples]
    (link,) = {(one.trace_id, one.span_id) for one in links}
    largest = max(profile.samples, key=lambda sample: sample.values[0])
    return {
        "link": link,
        "feature_set": named(profile.attribute_indices)["feature_extraction.feature_set"],
        "cause": named(largest.attribute_indices)["feature_extraction.bottleneck"],
        "stack": stack(largest),
        "duration_ns": profile.duration_nano,
        "strings": set(tables.string_table),
    }


def slow_spans(sink, service):
    with sink.lock:
        datas = list(sink.requests.get(EXPORT, ()))
    return [
        span
        for data in datas
        for resource in ExportTraceServiceRequest.FromString(data).resource_spans
        if attributes(resource.resource.attributes)["service.name"] == service
        for scope in resource.scope_spans
        for span in scope.spans
        if any(event.name == STACKS_EVENT for event in span.events)
    ]


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("protocol", "mode", "arguments", "extractions"),
    [
        ("grpc", "process", (), 1),
        ("http/protobuf", "process", (), 1),
        ("grpc", "collector", (), 1),
        ("grpc", "process", ("fork",), 2),
        ("http/protobuf", "process", ("fork",), 2),
    ],
)
def test_a_process_sends_the_stacks_of_its_slow_extractions(
    tmp_path, chain, protocol, mode, arguments, extractions, request
):
    """Through both collectors; each links to the span that arrived, and a forked child's to the child's."""
    sink, collector = chain
    service = request.node.name
    endpoint = collector.grpc if protocol == "grpc" else collector.http
    settings = {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_FE_PIPELINE": mode}
    log = run(tmp_path, service, endpoint, *arguments, **settings)
    until(lambda: len(of_service(sink, service)) >= extractions, told=lambda: log)
    until(lambda: len(slow_spans(sink, service)) >= extractions)
    found, spans = of_service(sink, service), slow_spans(sink, service)
    assert {one["link"] for one in found} == {(one.trace_id, one.span_id) for one in spans}
    assert len(found) == len(spans) == extractions
    for one in found:
        assert one["feature_set"] == "user_profile"
        assert one["cause"] == "sleep"
        assert one["stack"] == ["resize", "extract"]
        assert one["duration_ns"] in {span.end_time_unix_nano - span.start_time_unix_nano for span in spans}
        assert not any("a local value" in text or "in the child" in text for text in one["strings"])
    assert "WARNING" not in log


def test_nothing_is_sent_unless_it_is_asked_for(tmp_path, chain):
    """No profile is sent by default."""
    sink, collector = chain
    run(tmp_path, "silent", collector.grpc, OTEL_FE_PROFILES="none")
    until(lambda: slow_spans(sink, "silent"))
    assert not of_service(sink, "silent")


@contextmanager
def traces_only():
    """Run a backend over HTTP that knows no other path than that of traces; give what it was asked for."""
    asked = []

    class Backend(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.path)
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Backend) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_a_backend_without_profiles_is_one_warning(tmp_path):
    """A backend without profiles is asked once and gets the spans; one warning is logged."""
    with traces_only() as (endpoint, asked):
        log = run(tmp_path, "shop", endpoint, OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf")
    assert asked.count("/v1development/profiles") == 1
    assert "/v1/traces" in asked
    assert log.count("the backend takes no OTLP profiles (404 Not Found)") == 1


@pytest.mark.parametrize(
    ("variable", "value", "right"),
    [
        ("OTEL_FE_PROFILES", "pprof", "use one of none, otlp"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://localhost:1/spans", "end it in /v1/traces"),
    ],
)
def test_settings_by_which_no_profiles_can_be_sent_are_refused(tmp_path, variable, value, right):
    """The error names the value and the valid ones."""
    log = run(tmp_path, "shop", "127.0.0.1:1", OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf", **{variable: value})
    assert f"otel_fe stays off: {variable}: '{value}' cannot be used" in log
    assert right in log
