"""A server that records the OTLP that it is sent, by URL path."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_REQUESTS = {"traces": ExportTraceServiceRequest, "metrics": ExportMetricsServiceRequest}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    """Hundreds of senders whose clocks tick together; past it, connections are reset."""


class OtlpSink:
    """OTLP over HTTP in protobuf, on a free port of 127.0.0.1; a context manager.

    A path is anything that ends in `/v1/traces` or `/v1/metrics`, so that one sink tells many senders apart.
    """

    def __init__(self) -> None:
        self._bodies: dict[str, list[bytes]] = {}
        self._lock = threading.Lock()
        """Holds `_bodies`, which every connection's thread writes to."""
        self._server = _Server(("127.0.0.1", 0), _request_handler(self._record))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Return the address, without a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> OtlpSink:  # noqa: PYI034 - Self is of 3.11
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def count(self, path: str) -> int:
        """Return how many requests have come to `path`."""
        with self._lock:
            return len(self._bodies.get(path, ()))

    def requests(self, path: str) -> list[ExportTraceServiceRequest | ExportMetricsServiceRequest]:
        """Return the requests to `path` in the order in which they came."""
        message = _REQUESTS[path.rsplit("/", 1)[-1]]
        with self._lock:
            bodies = list(self._bodies.get(path, ()))
        return [message.FromString(body) for body in bodies]

    def _record(self, path: str, body: bytes) -> None:
        with self._lock:
            self._bodies.setdefault(path, []).append(body)


def _request_handler(record):
    class Recording(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Otherwise the answer's head and its empty body wait for each other's acknowledgement.
        disable_nagle_algorithm = True

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            record(self.path, gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    return Recording
