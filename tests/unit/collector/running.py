"""A collector as a process of its own, as a user runs it; a backend for it to send to; and spans to send to it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

OTEL_FE = Path(sys.executable).parent / "otel-fe"
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
METRICS = EXPORT.replace("trace", "metrics", 1).replace("Trace", "Metrics")
LOGS = EXPORT.replace("trace", "logs", 1).replace("Trace", "Logs")
MS = 1_000_000

KEEP_ALL = "{name: all, type: always_sample}"
KEEP_SLOW = "{name: slow, type: latency, latency: {threshold_ms: 100}}"


def config(
    endpoint: str = "127.0.0.1:1",
    *,
    policies: str = KEEP_ALL,
    sampler: str = "decision_wait: 10s",
    receiver: str = "",
    exporter: str = "",
    extensions: str = "{}",
    before: str = "",
    processors: str = "{}",
    grpc_keys: str = "",
    http_keys: str = "",
) -> str:
    """Return a configuration whose parts a test may change."""
    names = list(json_keys(extensions))
    return textwrap.dedent(f"""
    receivers:
      otlp:
        protocols:
          grpc: {{endpoint: "localhost:0"{grpc_keys}}}
          http: {{endpoint: "localhost:0"{http_keys}}}
        {receiver}
    processors:
      tail_sampling: {{{sampler}, policies: [{policies}]}}
      batch: {{timeout: 50ms}}
      {before and f"memory_limiter: {before}"}
    connectors:
      span_metrics: {{exemplars: {{enabled: true}}, metrics_flush_interval: 300ms}}
    exporters:
      otlp_grpc: {{endpoint: "{endpoint}", tls: {{insecure: true}}, compression: none{exporter}}}
    extensions: {extensions}
    service:
      extensions: [{", ".join(names)}]
      pipelines:
        traces: {{receivers: [otlp], processors: [{before and "memory_limiter, "}tail_sampling, batch], exporters: [otlp_grpc]}}
        traces/counted: {{receivers: [otlp], exporters: [span_metrics]}}
        metrics: {{receivers: [otlp, span_metrics], exporters: [otlp_grpc]}}
        logs: {{receivers: [otlp], exporters: [otlp_grpc]}}
    """)


def json_keys(flow: str) -> list[str]:
    """Return the keys of a mapping in YAML's flow style."""
    import yaml

    return list(yaml.safe_load(flow) or {})


class Sink:
    """A backend's received requests."""

    def __init__(self):
        self.lock = threading.Lock()
        self.requests: dict[str, list[bytes]] = {}
        self.port = 0
        self.refuse = False

    def spans(self):
        with self.lock:
            datas = list(self.requests.get(EXPORT, ()))
        return [
            span
            for data in datas
            for resource in ExportTraceServiceRequest.FromString(data).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def metrics(self):
        with self.lock:
            datas = list(self.requests.get(METRICS, ()))
        return [
            metric
            for data in datas
            for resource in ExportMetricsServiceRequest.FromString(data).resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]

    def logs(self):
        with self.lock:
            return [ExportLogsServiceRequest.FromString(data) for data in self.requests.get(LOGS, ())]


@contextmanager
def backend(port: int = 0, sink: Sink | None = None):
    """Listen for OTLP/gRPC, and note the bytes."""
    sink = sink or Sink()

    class AnyCall(grpc.GenericRpcHandler):
        def service(self, call):
            def export(data, context):
                if sink.refuse:
                    context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
                with sink.lock:
                    sink.requests.setdefault(call.method, []).append(data)
                return b""

            return grpc.unary_unary_rpc_method_handler(export)

    server = grpc.server(ThreadPoolExecutor(4), handlers=(AnyCall(),), options=(("grpc.so_reuseport", 0),))
    sink.port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield sink
    finally:
        server.stop(0).wait()


class Process:
    """A running `otel-fe collector`."""

    def __init__(self, file: Path, *arguments: str, wait: bool = True, environ: Mapping[str, str] | None = None):
        self.file = file
        command = [OTEL_FE, "collector", "--config", file, "--admin-endpoint", "localhost:0", *arguments]
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_") or k == "OTEL_FE_GRPC_SERVER"}
        self.log_path = file.with_suffix(".log")
        self.log_file = self.log_path.open("w")
        self.process = subprocess.Popen(
            command, stderr=self.log_file, stdout=subprocess.DEVNULL, env=inherited | dict(environ or {})
        )
        if wait:
            self.until("collector ready")
            line = next(one for one in self.log.splitlines() if "collector ready" in one)
            self.grpc = self._found(r"OTLP/gRPC on (\S+?)[,;]", line)
            self.http = self._found(r"OTLP/HTTP on (\S+?)[,;]", line)
            self.page = self._found(r"admin endpoint on http://(\S+?)[,;]", line)
            self.health = self._found(r"health on (\S+?)[,;]", line)

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def _found(self, pattern: str, line: str) -> str:
        found = re.search(pattern, line)
        return found[1].replace("localhost", "127.0.0.1") if found else ""

    def until(self, text: str, timeout_s: float = 40) -> None:
        """Wait until the log has a text."""
        deadline = time.monotonic() + timeout_s
        while text not in self.log:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://{self.page}{path}", timeout=20) as answer:
            return answer.read()

    def sums(self) -> dict[str, float]:
        """Return its figures, added up over labels but for the reason."""
        found: dict[str, float] = {}
        for name, _, labels, value in json.loads(self.get("/state"))["samples"]:
            reason = dict(map(tuple, labels)).get("reason", "")
            key = f"{name}:{reason}" if reason else name
            found[key] = found.get(key, 0) + value
            if reason:
                found[name] = found.get(name, 0) + value
        return found

    def why(self, trace_id: int) -> tuple[int, str]:
        done = subprocess.run(
            [OTEL_FE, "why", f"{trace_id:032x}", "--admin-endpoint", self.page],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def send_signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self) -> str:
        """End it gracefully, and return its last line."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(40) == 0, self.log
        self.log_file.close()
        return self.log.strip().splitlines()[-1]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.log_file.close()


@contextmanager
def running(folder: Path, text: str, *arguments: str, name: str = "collector.yaml"):
    """Run a collector with a configuration."""
    file = folder / name
    file.write_text(text)
    process = Process(file, *arguments)
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.kill()


def request(
    *traces: int, spans: int = 2, slow: bool = False, rooted: bool = True, service: str = "shop", name: str = "op"
):
    """Return an export request with whole traces, or with ones whose root is missing."""
    made = ExportTraceServiceRequest()
    resource = made.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = service
    scope = resource.scope_spans.add()
    scope.scope.name = "test"
    now = time.time_ns()
    for trace in traces:
        for number in range(1, spans + 1):
            scope.spans.add(
                trace_id=trace.to_bytes(16, "big"),
                span_id=number.to_bytes(8, "big"),
                parent_span_id=b"" if number == 1 and rooted else (1).to_bytes(8, "big"),
                name=f"{name} {number}",
                kind=1,
                start_time_unix_nano=now,
                end_time_unix_nano=now + (200 if slow else 10) * MS,
            )
        if not rooted:
            for span in scope.spans:
                if span.span_id == (1).to_bytes(8, "big"):
                    span.parent_span_id = (99).to_bytes(8, "big")
    return made


def export(address: str, payload: bytes, method: str = EXPORT, *, credentials=None, metadata=(), **options):
    """Send bytes over gRPC, and return the answer's bytes."""
    make = grpc.insecure_channel if credentials is None else lambda a, **k: grpc.secure_channel(a, credentials, **k)
    with make(address, options=(("grpc.max_send_message_length", -1),)) as channel:
        return channel.unary_unary(method)(payload, timeout=30, metadata=metadata, **options)


def send(address: str, *traces: int, **kinds) -> ExportTraceServiceResponse:
    """Send traces over gRPC."""
    return ExportTraceServiceResponse.FromString(export(address, request(*traces, **kinds).SerializeToString()))


def until(condition, timeout_s: float = 20, told=lambda: ""):
    """Wait until something is true, and return it."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, told()
        time.sleep(0.05)
    return found
