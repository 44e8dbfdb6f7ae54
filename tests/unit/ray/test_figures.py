"""Figures of a cluster: read from its expositions, added up over processes that come and go, and split."""

from __future__ import annotations

import math
import subprocess
import sys
from bisect import bisect_left
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe.errors import MissingExtraError
from otel_fe.live.application_metrics import entries, figures_of, is_many, numbers_of
from otel_fe.model.quantile import quantile
from otel_fe.monitoring import FeatureExtractionPerformanceMonitor
from otel_fe.pipeline.extraction_series import DURATION_EDGES_NS
from otel_fe.ray import published
from otel_fe.ray.request import ServeRequest
from otel_fe.ray.requests_seen import EDGES, EDGES_MS, RequestsSeen
from otel_fe.ray.scrape import Scraped, ScrapedSample, parse, scrape
from otel_fe.ray.totals import GrowthTotals
from otel_fe.ray.view import View
from otel_fe.testing import FakeClock

TEXT = """
# HELP ray_serve_x nothing
ray_serve_x{application="a",deployment="d \\"quoted\\" \\\\ {b}",le="0.5"} 3.0
ray_serve_plain 4
ray_other_total{application="a"} 9
ray_serve_x{application="b",deployment="d",le="+Inf"} NaN 1700000000
"""


def test_an_exposition_is_read_line_by_line():
    """Labels are unescaped, other names left out, and a time after the value is no part of it."""
    first, second, third = parse(TEXT)
    assert first == ScrapedSample(
        "ray_serve_x", (("application", "a"), ("deployment", 'd "quoted" \\ {b}'), ("le", "0.5")), 3.0
    )
    assert first.label("le") == "0.5"
    assert first.label("nothing") == ""
    assert second == ScrapedSample("ray_serve_plain", (), 4.0)
    assert math.isnan(third.value)


def test_a_node_that_does_not_answer_is_named():
    """Figures of the other nodes are there all the same; nodes that are not alive are not asked."""

    class Node(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(TEXT.encode())

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Node) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        node = {"Alive": True, "NodeManagerAddress": "127.0.0.1"}
        nodes = [{**node, "MetricsExportPort": server.server_port}, {**node, "MetricsExportPort": 1}]
        found = scrape([*nodes, {**node, "Alive": False, "MetricsExportPort": 2}])
        server.shutdown()
    assert found.unreachable == ("127.0.0.1:1",)
    assert found.total("ray_serve_x", application="a") == 3.0


def sample(value, worker="w1", name="ray_serve_n_total", **labels):
    return ScrapedSample(name, (*sorted(labels.items()), ("WorkerId", worker)), value)


def test_processes_that_die_take_nothing_away():
    """A counter that is gone keeps what it had counted, and one that starts anew adds to that."""
    totals = GrowthTotals(FakeClock(), 300)
    totals.update([sample(10, application="a"), sample(5, "w2", application="a")])
    totals.update([sample(12, application="a")])
    totals.update([sample(3, application="a"), sample(4, "w3", application="a")])
    assert totals.within() == {("ray_serve_n_total", (("application", "a"),)): 10 + 5 + 2 + 3 + 4}


def test_a_series_that_is_missing_once_is_not_counted_twice():
    """A node that did not answer comes back with the values that it had."""
    totals = GrowthTotals(FakeClock(), 300)
    for values in ([sample(10)], [], [sample(11)]):
        totals.update(values)
    assert list(totals.within().values()) == [11]


def test_figures_are_those_of_the_window():
    """Growth before the window is excluded, and gauges are not counted."""
    clock = FakeClock()
    totals = GrowthTotals(clock, 60)
    for value in (10, 20, 50):
        totals.update([sample(value), sample(7, name="ray_serve_queue")])
        clock.advance(40)
    assert list(totals.within().values()) == [40]
    for _ in range(3_000):
        clock.advance(0.01)
        totals.update([sample(50)])
    assert len(totals._readings) < 800


durations = st.integers(0, 200_000_000_000)


@given(st.lists(st.tuples(durations, durations, durations), min_size=1, max_size=60))
def test_the_split_of_the_p95_adds_up(requests):
    """Waiting, extraction and the rest are the mean of the requests in the bucket that holds the exact p95."""
    seen = RequestsSeen()
    for queue, processing, extraction in requests:
        request = ServeRequest("a", "d", "r", "id", queue)
        request.extraction_ns = extraction
        seen.add(request, processing)
    taken = seen.take()
    assert seen.take() == {}
    split = View(_as_series(taken), Scraped()).deployments({"a": _application()})["a#d"].latency
    latencies = sorted(queue + processing for queue, processing, _ in requests)
    exact_ms = latencies[max(0, math.ceil(0.95 * len(latencies)) - 1)] / 1e6
    bucket = next(i for i, edge in enumerate((*EDGES_MS, math.inf)) if exact_ms <= edge)
    lower = 0 if bucket == 0 else EDGES_MS[bucket - 1]
    assert lower <= split.p95_ms <= float(EDGES[bucket])
    inside = [one for one in requests if bisect_left(EDGES_MS, (one[0] + one[1]) / 1e6) == bucket]
    members = [(queue, processing, min(extraction, processing)) for queue, processing, extraction in inside]
    assert split.requests == len(requests)
    assert split.requests_in_bucket == len(members)
    assert split.queue_ms + split.extraction_ms + split.other_ms == pytest.approx(split.mean_ms)
    assert split.queue_ms == pytest.approx(sum(q for q, _, _ in members) / len(members) / 1e6)
    assert split.extraction_ms == pytest.approx(sum(e for _, _, e in members) / len(members) / 1e6)
    assert 0 <= split.queue_ratio <= 1 + 1e-9
    assert split.other_ms >= -1e-6


def _application():
    state = SimpleNamespace(status=SimpleNamespace(value="HEALTHY"), replica_states={"RUNNING": 2, "STARTING": 1})
    return SimpleNamespace(deployments={"d": state})


def _as_series(taken):
    found = {}
    for key, sums in taken.items():
        labels = (("application", key.application), ("deployment", key.deployment), (published.LE, key.edge))
        values = (sums.requests, sums.queue_ns / 1e9, sums.extraction_ns / 1e9, sums.latency_ns / 1e9)
        names = (published.REQUESTS, published.QUEUE, published.EXTRACTION, published.LATENCY)
        for name, value in zip(names, values, strict=True):
            found[f"ray_{name}_total", labels] = value
    return found


def test_a_view_of_nothing_says_so():
    """Percentiles are 0, requirements have no data, and a deployment has no split if there are no figures."""
    view = View({}, Scraped())
    assert view.extractions()["total_extractions"] == 0
    assert {status["status"] for status in view.requirements().values()} == {"no data"}
    (deployment,) = view.deployments({"a": _application()}).values()
    assert deployment.latency is None
    assert (deployment.running_replicas, deployment.replica_states) == (2, {"RUNNING": 2, "STARTING": 1})


@given(st.lists(st.integers(0, 400_000_000_000) | st.sampled_from(DURATION_EDGES_NS), min_size=1, max_size=60))
def test_percentiles_of_the_cluster_are_read_off_the_buckets_of_the_metric(durations_ns):
    """Cluster percentiles use the exported bucket edges, so a duration above ten seconds is not shown as ten."""
    names = [*map(str, published.DURATION_EDGES_S), "+Inf"]
    below = [
        sum(one <= edge for one in durations_ns)
        for edge in (*(round(edge * 1e9) for edge in published.DURATION_EDGES_S), math.inf)
    ]
    name = "ray_feature_extraction_duration_seconds_bucket"
    grown = {(name, (("le", edge),)): count for edge, count in zip(names, below, strict=True)}
    counts = [0] * (len(DURATION_EDGES_NS) + 1)
    for one in durations_ns:
        counts[bisect_left(DURATION_EDGES_NS, one)] += 1
    stats = View(grown, Scraped()).extractions()
    for share, shown in ((0.5, stats.p50_latency_ms), (0.95, stats.p95_latency_ms), (0.99, stats.p99_latency_ms)):
        assert shown == quantile(share, [edge / 1e9 for edge in DURATION_EDGES_NS], counts).value * 1000


def test_requirements_are_tested_on_exact_counts():
    """95 of 100 fast ones meet the latency requirement, 70 hits of 100 miss the one for caches, which is strict."""
    counts = {"latency": (95, 5), "cache_hit_rate": (70, 30), "error_rate": (100, 0), "memory": (99, 1)}
    grown = {
        ("ray_feature_extraction_slo_events_total", (("good", text), ("slo", name))): count
        for name, pair in counts.items()
        for text, count in zip(("true", "false"), pair, strict=True)
    }
    statuses = {name: found["status"] for name, found in View(grown, Scraped()).requirements().items()}
    assert statuses == {"latency": "met", "cache_hit_rate": "broken", "error_rate": "met", "memory": "broken"}


@dataclass
class Metrics:
    duration_ms: float = 45.0
    used_cache: bool = True
    had_error: bool = False
    cpu_percent: float = 35.0
    memory_mb: float = 150.0


def test_metrics_of_one_extraction_may_have_any_shape():
    """A dataclass, a plain object and a dictionary with the seed's names say the same."""
    plain = SimpleNamespace(**vars(Metrics()))
    for shape in (Metrics(), plain, vars(Metrics())):
        figures = figures_of(entries(shape))
        assert figures.duration_ns == 45_000_000
        assert (figures.cache_lookups, figures.cache_hits, figures.error_type) == (1, 1, "")
        assert figures.cpu_ns == 15_750_000
        assert figures.memory_growth_bytes == 150_000_000
    assert figures_of({"latency_ms": 1, "had_error": True}).error_type == "_OTHER"
    assert is_many([Metrics()])
    assert not is_many(vars(Metrics()))


def test_numbers_of_sums_leave_out_texts_and_flags():
    monitor = FeatureExtractionPerformanceMonitor()
    monitor.end_extraction(duration_ms=20)
    assert numbers_of(entries(monitor.get_performance_stats()))["p95_latency_ms"] == 20.0
    found = {"total_extractions": 1, "healthy": True, "name": "x", "none": math.inf}
    assert numbers_of(found) == {"total_extractions": 1.0}


@pytest.mark.parametrize(
    ("metrics", "error", "said"),
    [
        ({"speed": 3}, TypeError, "found speed"),
        (object(), TypeError, "found of object"),
        ({"duration_ms": -1}, ValueError, "duration_ms is -1"),
        ({"duration_ms": 1, "memory_mb": math.nan}, ValueError, "memory_mb is nan"),
        ({"latency_ms": -1}, ValueError, "latency_ms is -1"),
        ({"used_cache": True}, ValueError, "duration_ms is None"),
        ({"duration_ms": "fast"}, ValueError, "'fast'"),
    ],
)
def test_metrics_that_cannot_be_used_are_refused_by_name(metrics, error, said):
    """The message names what was found, or the figure."""
    with pytest.raises(error, match=said):
        figures_of(entries(metrics))


def test_without_ray_importing_is_fine_and_using_names_the_extra():
    """The module can be imported and the integration made; what needs Ray says how to get it."""
    source = """
import sys
sys.modules["ray"] = None
from otel_fe.errors import MissingExtraError
from otel_fe.ray_integration import RayServeIntegration, setup_worker
integration = RayServeIntegration()
for use in (
    lambda: integration.sync_feature_extraction_metrics({"duration_ms": 1}),
    integration.get_unified_performance_stats,
    integration.validate_performance_requirements,
    integration.start,
):
    try:
        use()
    except MissingExtraError as error:
        assert "pip install 'otel-fe[ray]'" in str(error), error
    else:
        raise SystemExit("not refused")
integration.stop()
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert issubclass(MissingExtraError, ImportError)
