"""Real Prometheus and Alertmanager, fed by our metrics, page for the same incident as our own engine."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from otel_fe import semconv
from otel_fe.clock import SystemClock
from otel_fe.config.openslo import default_slos
from otel_fe.config.settings import Settings
from otel_fe.model.measurements import Measurements
from otel_fe.model.slo import EventCounts
from otel_fe.pipeline.engine import Engine
from otel_fe.pipeline.event_sums import BudgetGroup
from otel_fe.pipeline.extraction_series import SLO_NAMES
from otel_fe.pipeline.slo_engine import SloEngine
from otel_fe.render.prometheus import prometheus_rules
from otel_fe.render.prometheus_names import matcher, metric_name, selector
from otel_fe.sdk.metric_points import Collection
from tests.real import prometheus as real

pytestmark = pytest.mark.timeout(180)
GROUP = BudgetGroup("shop", "user_profile")
EVALUATION_S = 2.0
SCRAPE_S = 0.25
EXPECTED = {("error_rate", "1h"), ("error_rate", "6h")}
_A_SECOND = 50
_HEALTHY_S = 68.0
"""Rendered alerts wait until a group has been recorded for a minute."""
_KNOWN_NS = 600_000_000_000


class Service:
    """An application that counts its extractions in otel_fe's pipeline, and fails while `failing` is set."""

    def __init__(self):
        self.failing = False
        self._engine = Engine(Settings(), SystemClock(), lambda _: 0, lambda *_: "")
        self._lock = threading.Lock()
        # It was counted ten minutes ago, too: alerts on a group wait until its first minutes are over.
        self._seen = [
            (time.time_ns() - _KNOWN_NS, {(slo, good): int(good) for slo in SLO_NAMES for good in (True, False)})
        ]

    def extract(self):
        """Count an extraction."""
        figures = Measurements()
        figures.feature_set, figures.duration_ns = GROUP.feature_set, 5_000_000
        figures.error_type = "OSError" if self.failing else ""
        with self._lock:
            self._engine.derive(figures, None, 0, 0)

    def collect(self):
        """Return the numbers of SLO events as they are now, by SLO and whether they are good, zeros included."""
        with self._lock:
            self._engine.settle()
            points = Collection.take(self._engine, 0, time.time_ns(), {}).counters[semconv.SLO_EVENTS]
        found = {(slo, good): 0 for slo in SLO_NAMES for good in (True, False)}
        for labels, value in points.items():
            told = dict(labels)
            found[told[semconv.SLO], told[semconv.GOOD]] += value
        self._seen.append((time.time_ns(), found))
        return found

    def exposition(self):
        """Return the same as Prometheus reads it, by the names that OTLP's become."""
        name = metric_name(semconv.SLO_EVENTS)
        lines = [f"# TYPE {name} counter"]
        for (slo, good), value in self.collect().items():
            labels = [
                matcher(semconv.SLO, slo),
                matcher(semconv.GOOD, good),
                matcher(semconv.FEATURE_SET, GROUP.feature_set),
            ]
            lines.append(f"{selector(name, labels)} {value}")
        return "\n".join([*lines, ""])

    def events(self, indicator, start_ns, end_ns):
        """Return what was counted in a window, from what has been collected."""
        last = [found for at, found in self._seen if at < end_ns][-1:]
        before = [found for at, found in self._seen if at < start_ns][-1:]
        if not last:
            return {}
        slo = dict(indicator.total.attributes)[semconv.SLO]
        good, bad = (last[0][slo, told] - (before[0][slo, told] if before else 0) for told in (True, False))
        return {GROUP: EventCounts(bad, good + bad)} if good + bad else {}


@contextmanager
def served(service):
    """Serve its metrics, and let it work; yields the port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            body = service.exposition().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    stop = threading.Event()

    def work():
        while not stop.wait(1 / _A_SECOND):
            service.extract()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threads = [threading.Thread(target=server.serve_forever), threading.Thread(target=work)]
    for thread in threads:
        thread.start()
    try:
        yield server.server_port
    finally:
        stop.set()
        server.shutdown()
        for thread in threads:
            thread.join()
        server.server_close()


def test_prometheus_pages_when_our_engine_does(tmp_path):
    """The same pages, within one evaluation interval (of numbers that may be as old as one scrape), and no other."""
    slos = default_slos()
    rules = tmp_path / "rules.yaml"
    rules.write_text(prometheus_rules(slos))
    service = Service()
    engine = SloEngine(slos, service, SystemClock())
    intervals = (f"{int(SCRAPE_S * 1000)}ms", f"{int(EVALUATION_S)}s")
    with (
        served(service) as target,
        real.alertmanager(tmp_path) as alertmanager,
        real.prometheus(tmp_path, rules, target, alertmanager, intervals),
    ):
        time.sleep(_HEALTHY_S)
        assert pages(alertmanager) == {}
        assert our_pages(engine) == set()
        service.failing = True
        ours, theirs = {}, {}
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (ours.keys() == theirs.keys() == EXPECTED):
            time.sleep(0.1)
            for page in our_pages(engine):
                ours.setdefault(page, time.time())
            theirs = pages(alertmanager)
    assert ours.keys() == theirs.keys() == EXPECTED
    late = {page: theirs[page] - ours[page] for page in ours}
    print("Prometheus pages later than our engine, in s:", late)
    # Earlier, too: what a counter holds at its first scrape is no increase to Prometheus.
    assert all(abs(one) <= EVALUATION_S + SCRAPE_S for one in late.values()), late


def our_pages(engine):
    """Return the pages that are on: SLO and window."""
    return {
        (state.slo.name, f"{one.alert.long_ns // 3_600_000_000_000}h")
        for state in engine.evaluate()
        for one in state.alerts
        if one.true and one.alert.severity == "page"
    }


def pages(alertmanager):
    """Return when each page began, as Alertmanager has it."""
    found = real.get(f"http://127.0.0.1:{alertmanager}/api/v2/alerts")
    return {
        (one["labels"]["slo"], one["labels"]["window"]): datetime.fromisoformat(
            one["startsAt"].replace("Z", "+00:00")
        ).timestamp()
        for one in found
        if one["labels"]["severity"] == "page"
    }
