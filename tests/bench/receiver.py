"""The OTLP server that every variant exports to, in a process of its own so that its CPU is not counted.

`python -m tests.bench.receiver` prints its port, then answers each line on stdin with one line of JSON: what
arrived since the last. Requests are kept as bytes and read only when asked: it stays out of the way.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

ROOT = "feature_extraction"
SLOW_NS = 100_000_000
_SERVICE = "opentelemetry.proto.collector.{0}.v1.{1}Service"
_SIGNALS = {"trace": "Trace", "metrics": "Metrics", "logs": "Logs"}


class Inbox:
    """Requests by signal, as they came. gRPC threads append, the main thread takes."""

    def __init__(self) -> None:
        self._requests: dict[str, list[bytes]] = {signal: [] for signal in _SIGNALS}

    def add(self, signal: str, body: bytes) -> bytes:
        """Keep a request; the answer is an empty message, which means success."""
        self._requests[signal].append(body)
        return b""

    def take(self) -> dict[str, object]:
        """Return what arrived since the last call, counted."""
        taken, self._requests = self._requests, {signal: [] for signal in _SIGNALS}
        answer = count_spans(taken["trace"])
        answer["metrics"] = total_metrics(taken["metrics"])
        answer["bytes"] = sum(map(len, taken["trace"] + taken["metrics"]))
        return answer


def count_spans(bodies: list[bytes]) -> dict[str, object]:
    """Count spans by scope, extractions by healthy and slow, and collect the extractions' attribute names."""
    scopes: Counter[str] = Counter()
    roots: Counter[str] = Counter()
    names: set[str] = set()
    for body in bodies:
        for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    if span.name.startswith(ROOT):
                        slow = span.end_time_unix_nano - span.start_time_unix_nano >= SLOW_NS
                        roots["slow" if slow else "healthy"] += 1
                        names.update(attribute.key for attribute in span.attributes)
                    else:
                        scopes[scope_spans.scope.name] += 1
    return {"children": dict(scopes), "roots": dict(roots), "attributes": sorted(names)}


def total_metrics(bodies: list[bytes]) -> dict[str, float]:
    """Return each metric's total over its series, from the last request that held it (cumulative)."""
    totals: dict[str, float] = {}
    for body in bodies:
        for resource_metrics in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for scope_metrics in resource_metrics.scope_metrics:
                for metric in scope_metrics.metrics:
                    kind = metric.WhichOneof("data")
                    points = getattr(metric, kind).data_points
                    if kind == "histogram":
                        totals[metric.name] = sum(point.count for point in points)
                    elif kind in ("sum", "gauge"):
                        totals[metric.name] = sum(point.as_int or point.as_double for point in points)
    return totals


def _serve(inbox: Inbox) -> tuple[grpc.Server, int]:
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", -1)])
    for signal, title in _SIGNALS.items():
        method = grpc.unary_unary_rpc_method_handler(lambda body, _, signal=signal: inbox.add(signal, body))
        service = _SERVICE.format(signal, title)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def main() -> None:
    """Serve until stdin closes."""
    inbox = Inbox()
    # held here: an unreferenced server stops
    server, port = _serve(inbox)
    print(port, flush=True)
    for _ in sys.stdin:
        print(json.dumps(inbox.take()), flush=True)
    server.stop(None)


if __name__ == "__main__":
    main()
