"""An example service of a fleet, to be run by `opentelemetry-instrument`: `fleet_service.py ROLE PORT REQUESTS AGENT`.

`front` asks `features` for something and ranks it; the traces are of both. Each decides and counts in its own process, and its metrics
go to the endpoint that the launcher's environment names. In addition, for this test only, it sends every span to a fleet, undecided, so
that both count the same extractions.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tests.real import fleet_features

TRACER = trace.get_tracer("shop")


class Features(BaseHTTPRequestHandler):
    """Answers with a feature, or with 500."""

    def do_GET(self) -> None:
        with TRACER.start_as_current_span("GET /features", propagate.extract(dict(self.headers.items()))):
            try:
                answer, status = str(fleet_features.user_features(int(self.path[1:]))), 200
            except ValueError as fault:
                answer, status = str(fault), 500
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve(port: int, requests: int) -> None:
    """Answer so many requests."""
    with HTTPServer(("127.0.0.1", port), Features) as server:
        print("ready", flush=True)
        for _ in range(requests):
            server.handle_request()


def ask(port: int, requests: int) -> None:
    """Make so many requests, and rank what comes."""
    for number in range(requests):
        with TRACER.start_as_current_span("GET /"):
            headers: dict[str, str] = {}
            propagate.inject(headers)
            request = urllib.request.Request(f"http://127.0.0.1:{port}/{number}", headers=headers)
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    fleet_features.rank(int(answer.read()))
            except urllib.error.HTTPError:
                pass


def main(role: str, port: int, requests: int, agent: str) -> None:
    """Send every span to the agent, and do a role's work."""
    # Within the decision wait, so that samplers decide with both parts of a trace.
    exporter = OTLPSpanExporter(endpoint=agent, insecure=True)
    everything = BatchSpanProcessor(exporter, schedule_delay_millis=200)
    trace.get_tracer_provider().add_span_processor(everything)  # type: ignore[attr-defined]
    (serve if role == "features" else ask)(port, requests)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
