"""Serve features over HTTP: `GET /features/{feature_set}/{entity}` and `GET /healthz`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from feature_service import cache, tables
from feature_service.features import Features, UnknownEntityError

FEATURE_SETS = ("user_profile", "transaction_history", "image_embedding", "digit_segment")


class Requests(BaseHTTPRequestHandler):
    """Answers with features as JSON."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    features: Features

    def do_GET(self) -> None:  # noqa: N802 the name is http.server's
        """Serve one request."""
        kind, _, rest = self.path.strip("/").partition("/")
        feature_set, _, entity = rest.partition("/")
        if kind == "healthz":
            self._answer(200, {"status": "ok"})
        elif kind != "features" or feature_set not in FEATURE_SETS or not entity.isdigit():
            self._answer(404, {"error": f"use /features/{{{'|'.join(FEATURE_SETS)}}}/{{number}}"})
        else:
            try:
                self._answer(200, {"features": getattr(self.features, feature_set)(int(entity))})
            except UnknownEntityError as error:
                self._answer(404, {"error": str(error)})

    def _answer(self, status: int, body: dict[str, object]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing of single requests."""


def main() -> None:
    """Run until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="feature_service", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="port on 127.0.0.1; 0 takes a free one")
    port = parser.parse_args().port
    with tempfile.TemporaryDirectory(prefix="feature-service-") as name:
        folder = Path(name)
        store, server = cache.connect(folder)
        try:
            Requests.features = Features(tables.connect(folder), store)
            with ThreadingHTTPServer(("127.0.0.1", port), Requests) as http:
                http.daemon_threads = True
                # shutdown() waits for serve_forever, which this very thread may be in: ask from another.
                signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=http.shutdown).start())
                print(f"serving on 127.0.0.1:{http.server_address[1]}", flush=True)
                try:
                    http.serve_forever(poll_interval=0.1)
                except KeyboardInterrupt:
                    pass
        finally:
            if server is not None:
                server.terminate()
                server.wait(10)
    sys.exit(0)


if __name__ == "__main__":
    main()
