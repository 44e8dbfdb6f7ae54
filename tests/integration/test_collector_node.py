"""A real SDK in another language: Node's exports to the collector, over both protocols, as an application there does."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import pytest

from tests.real.go import run
from tests.real.parts import Unavailable, cache_folder, declare, missing, obtain
from tests.unit.collector.running import backend, config, running, until

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = (
    "@opentelemetry/api@1.9.0",
    "@opentelemetry/sdk-trace-node@2.2.0",
    "@opentelemetry/sdk-metrics@2.2.0",
    "@opentelemetry/resources@2.2.0",
    "@opentelemetry/exporter-trace-otlp-proto@0.208.0",
    "@opentelemetry/exporter-trace-otlp-http@0.208.0",
    "@opentelemetry/exporter-trace-otlp-grpc@0.208.0",
    "@opentelemetry/exporter-metrics-otlp-proto@0.208.0",
)
APPLICATION = """
const { trace, context } = require('@opentelemetry/api');
const { NodeTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-node');
const { MeterProvider, PeriodicExportingMetricReader } = require('@opentelemetry/sdk-metrics');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { OTLPTraceExporter: Proto } = require('@opentelemetry/exporter-trace-otlp-proto');
const { OTLPTraceExporter: Json } = require('@opentelemetry/exporter-trace-otlp-http');
const { OTLPTraceExporter: Grpc } = require('@opentelemetry/exporter-trace-otlp-grpc');
const { OTLPMetricExporter } = require('@opentelemetry/exporter-metrics-otlp-proto');
const [grpc, http] = process.argv.slice(2);
const resource = resourceFromAttributes({ 'service.name': 'node-shop' });

async function main() {
  const exporters = {
    proto: new Proto({ url: `http://${http}/v1/traces`, compression: 'gzip' }),
    json: new Json({ url: `http://${http}/v1/traces` }),
    grpc: new Grpc({ url: `http://${grpc}` }),
  };
  for (const [name, exporter] of Object.entries(exporters)) {
    const provider = new NodeTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(exporter)] });
    const tracer = provider.getTracer('node');
    const root = tracer.startSpan(`node ${name}`);
    const child = tracer.startSpan(`node ${name} child`, {}, trace.setSpan(context.active(), root));
    child.setAttribute('http.route', '/ü');
    child.end();
    root.end();
    await provider.shutdown();
  }
  const reader = new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter({ url: `http://${http}/v1/metrics` }) });
  const meters = new MeterProvider({ resource, readers: [reader] });
  meters.getMeter('node').createCounter('node.orders').add(3);
  await meters.shutdown();
}
main().catch((error) => { console.error(error); process.exit(1); });
"""


@dataclass(frozen=True)
class _NodePackages:
    """OpenTelemetry for Node, installed once for this machine."""

    name: ClassVar[str] = "OpenTelemetry for Node"
    tools: ClassVar[str] = "npm"

    @property
    def folder(self) -> Path:
        """Return the folder, which may not exist yet."""
        return cache_folder() / "node" / hashlib.sha256(repr(PACKAGES).encode()).hexdigest()[:12]

    def ready(self) -> bool:
        return (self.folder / "complete").exists()

    def make(self) -> None:
        if shutil.which("node") is None or shutil.which("npm") is None:
            raise Unavailable("node with npm is missing; Debian: apt-get install nodejs npm")
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.ready():
                run(["npm", "install", "--no-audit", "--no-fund", "--no-save", "--prefix", self.folder, *PACKAGES])
                (self.folder / "complete").touch()


NODE_PACKAGES = declare(_NodePackages())


@pytest.fixture(scope="module")
def node_packages() -> Path:
    """Return a folder with the SDK."""
    try:
        obtain(NODE_PACKAGES)
    except Unavailable as fault:
        missing(f"{NODE_PACKAGES.name} ({fault})")
    return NODE_PACKAGES.folder


def test_node_exports_to_it(node_packages, tmp_path):
    """Protobuf, JSON and gRPC; every span arrives, with its parent, its resource and its attributes; metrics pass through."""
    script = node_packages / "application.js"
    script.write_text(APPLICATION)
    with backend() as sink, running(tmp_path, config(f"127.0.0.1:{sink.port}")) as collector:
        done = subprocess.run(
            ["node", script, collector.grpc, collector.http], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        until(lambda: len(sink.spans()) == 6, told=lambda: f"{sink.spans()} {done.stderr}")
        by_name = {span.name: span for span in sink.spans()}
        for kind in ("proto", "json", "grpc"):
            child = by_name[f"node {kind} child"]
            assert child.parent_span_id == by_name[f"node {kind}"].span_id
            assert child.attributes[0].value.string_value == "/ü"
        until(lambda: [metric for metric in sink.metrics() if metric.name == "node.orders"])
        assert "0 dropped" in collector.stop()
