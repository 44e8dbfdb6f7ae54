"""A backend that is at times dead, refusing, or slow to answer, and notes every span that it has said yes to."""

from __future__ import annotations

import contextlib
import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

OK, REFUSING, DRIPPING, DEAD = "ok", "refusing", "dripping", "dead"
DRIP_S = 0.3


class Backend:
    """Takes OTLP/HTTP at `/PIPELINE/v1/traces`; `mode` says how it behaves."""

    def __init__(self):
        self.mode = OK
        self.lock = threading.Lock()
        self.delivered: dict[str, set[bytes]] = {"plain": set(), "sampled": set()}
        """Ids of traces, by pipeline."""
        self.malformed = 0
        """Batches that could not be read, which a collector that checks what it takes never sends."""
        self._stopped = threading.Event()
        backend = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                with contextlib.suppress(OSError):
                    backend.answer(self)

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request, client_address):
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, handler):
        """Answer a request as the mode has it."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        if self.mode == DEAD:
            handler.close_connection = True
            handler.connection.close()
            return
        if self.mode == REFUSING:
            handler.send_response(503)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        if self.mode == DRIPPING:
            handler.close_connection = True
            while self.mode == DRIPPING and not self._stopped.wait(DRIP_S):
                handler.wfile.write(b"H")
            return
        packed = handler.headers.get("Content-Encoding") == "gzip"
        try:
            self._note(handler.path.split("/")[1], gzip.decompress(body) if packed else body)
        except DecodeError:  # as a backend of protobuf answers: the batch is malformed
            self.malformed += 1
            handler.send_response(400)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_response(200)
        handler.send_header("Content-Type", "application/x-protobuf")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def _note(self, pipeline, body):
        request = ExportTraceServiceRequest.FromString(body)
        ids = {s.trace_id for r in request.resource_spans for scope in r.scope_spans for s in scope.spans}
        with self.lock:
            self.delivered[pipeline] |= ids

    def close(self):
        """End it."""
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
