"""The profiles signal through `otel-fe collector`, and through a real Collector behind it with its feature gate."""

from __future__ import annotations

import random
import time
import urllib.request

import grpc
import pytest
from opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2 import (
    ExportProfilesServiceRequest,
    ExportProfilesServiceResponse,
)

from otel_fe.profiles.otlp_profiles import otlp_profiles
from otel_fe.profiles.stacks import SlowExtraction, stacks_of
from otel_fe.wire.fields import delimited
from otel_fe.wire.json import from_protobuf
from tests.integration.servers import free_port
from tests.real.collector import RunningCollector, built_collector
from tests.unit.collector.running import backend, export, running, until

PROFILES = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"
STACKS = ("cpu;app.py:1 main;embedding.py:88 resize 61000", "sleep;app.py:1 main;retry.py:7 fetch 40000")
OURS = """
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "localhost:0"}}, http: {{endpoint: "localhost:0"}}}}}}}}
extensions: {{file_storage: {{directory: "{folder}"}}}}
exporters:
  otlp_grpc: {{endpoint: "127.0.0.1:{port}", tls: {{insecure: true}}, sending_queue: {{storage: file_storage, batch: {{}}}}}}
  debug: {{verbosity: normal}}
service:
  extensions: [file_storage]
  pipelines:
    profiles: {{receivers: [otlp], exporters: [otlp_grpc, debug]}}
"""
REAL = """
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters: {{otlp_grpc: {{endpoint: "127.0.0.1:{behind}", tls: {{insecure: true}}, compression: none}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{profiles: {{receivers: [otlp], exporters: [otlp_grpc]}}}}
"""


def profile(number: int) -> bytes:
    """Return a request with the two stacks of a slow extraction."""
    slow = SlowExtraction(
        number, number, time.time_ns(), 125_000_000, "shop", "user_profile", 1.0, tuple(stacks_of(STACKS))
    )
    return otlp_profiles([slow]).SerializeToString()


def links(payload: bytes) -> set[tuple[int, int]]:
    """Return the trace and span ids that the samples of a request link to."""
    request = ExportProfilesServiceRequest.FromString(payload)
    table = request.dictionary.link_table
    return {
        (
            int.from_bytes(table[sample.link_index].trace_id, "big"),
            int.from_bytes(table[sample.link_index].span_id, "big"),
        )
        for resource in request.resource_profiles
        for scope in resource.scope_profiles
        for one in scope.profiles
        for sample in one.samples
    }


@pytest.fixture(scope="module")
def at_work(tmp_path_factory):
    """Return a backend, and a collector in front of it with a queue on disk."""
    folder = tmp_path_factory.mktemp("profiles")
    (folder / "queue").mkdir()
    with backend() as sink, running(folder, OURS.format(port=sink.port, folder=folder / "queue")) as collector:
        yield sink, collector


def test_profiles_arrive_as_they_came_and_are_counted(at_work):
    """Each request by itself, though the queue batches: samples refer to the dictionary of their request."""
    sink, collector = at_work
    before = collector.sums().get("otelcol_receiver_accepted_profile_samples", 0)
    sent = [profile(number) for number in range(1, 6)]
    for payload in sent:
        assert export(collector.grpc, payload, PROFILES) == b""
    until(lambda: set(sent) <= set(sink.requests.get(PROFILES, ())))
    assert collector.sums()["otelcol_receiver_accepted_profile_samples"] - before == 10
    until(lambda: "profiles 1, samples 2" in collector.log)


def test_profiles_over_http_as_protobuf_and_as_json(at_work):
    """Profiles are received at the path of the alpha version."""
    sink, collector = at_work
    payload = profile(77)
    other = profile(76)
    for body, kind in ((payload, "application/x-protobuf"), (from_protobuf("profiles", other), "application/json")):
        request = urllib.request.Request(
            f"http://{collector.http}/v1development/profiles", body, {"Content-Type": kind}
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200
    until(lambda: {(77, 77), (76, 76)} <= {link for one in sink.requests.get(PROFILES, ()) for link in links(one)})


def test_a_malformed_sample_alone_is_rejected_and_rubbish_is_refused(at_work):
    """A malformed sample is rejected alone, as with other signals, because some backend would refuse it together with valid ones."""
    _, collector = at_work
    bad = delimited(1, delimited(2, delimited(2, delimited(2, b"\x09\x00"))))  # a sample whose stack is cut off
    answer = ExportProfilesServiceResponse.FromString(export(collector.grpc, profile(78) + bad, PROFILES))
    assert answer.partial_success.rejected_profiles == 1
    drawn = random.Random(4)
    with pytest.raises(grpc.RpcError) as refused:
        export(collector.grpc, drawn.randbytes(300), PROFILES)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.timeout(400)
def test_profiles_go_through_the_real_collector_with_their_links(tmp_path):
    """Ours, then the Collector with its feature gate, then a backend: samples link to the same traces and spans."""
    port = free_port()
    (tmp_path / "queue").mkdir()
    with backend() as sink:
        text = REAL.format(port=port, behind=sink.port)
        with (
            RunningCollector(built_collector(), text, tmp_path, [port], gates=["service.profilesSupport"]),
            running(tmp_path, OURS.format(port=port, folder=tmp_path / "queue"), name="ours.yaml") as collector,
        ):
            assert export(collector.grpc, profile(0xABC), PROFILES) == b""
            until(lambda: sink.requests.get(PROFILES))
    (arrived,) = sink.requests[PROFILES]
    assert links(arrived) == {(0xABC, 0xABC)}
    strings = ExportProfilesServiceRequest.FromString(arrived).dictionary.string_table
    assert {"resize", "embedding.py", "fetch"} <= set(strings)
