"""A real HTTP server with scripted answers that records its requests; and an alert to send."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from otel_fe.alerting import DEFAULT_RULES, Reading, State
from otel_fe.alerting.likely_cause import Likely
from otel_fe.alerting.wording import alert_of
from otel_fe.live.view import ExtractionGroup


class Received:
    def __init__(self, answers):
        self.answers = list(answers)
        self.requests = []
        self.port = 0

    @property
    def documents(self):
        return [json.loads(body) for _, _, body in self.requests]


@contextmanager
def receiver(*answers):
    """Yield what is received; each request gets the next answer (a status, or status and headers), the last one for good."""
    received = Received(answers or [200])

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.requests.append((self.path, dict(self.headers), body))
            answer = received.answers.pop(0) if len(received.answers) > 1 else received.answers[0]
            status, headers = answer if isinstance(answer, tuple) else (answer, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    received.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def an_alert(state=State.FIRING, feature_set="user_profile", rule=DEFAULT_RULES[0], start=1_700_000_000.0):
    """Return an alert."""
    reading = Reading(
        rule, 142.0, holds=True, over=False, samples=50, group=ExtractionGroup("", feature_set), words="50 extractions"
    )
    times = (start, start + 60, start + 600 if state is State.RESOLVED else 0.0)
    why = Likely("pool_wait", "pool_wait takes 70%")
    return alert_of(reading, state, times, why, ("0" * 31 + "1",), "recovered" if state is State.RESOLVED else "")
