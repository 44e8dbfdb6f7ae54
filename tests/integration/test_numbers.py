"""Numbers that agree wherever one looks: one load, counted by its clients and by Redis, read from everything that shows it.

The example service runs under the stock launcher and sends to a collector, which stores and forwards; a dashboard reads its store.
What the demo's report, the pages, the files, OTLP and Prometheus' text say of the same extractions is the same, also after the
collector was killed and started again.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from otel_fe import semconv
from otel_fe.demo.received import ReceivedTelemetry
from otel_fe.demo.receiver import Receiver
from otel_fe.demo.report import report_of
from otel_fe.demo.service import FEATURE_SETS
from otel_fe.demo.text import Text
from otel_fe.model.quantile import quantile
from otel_fe.store import Selection, StoreReader
from tests.integration.servers import free_port, redis_server
from tests.unit.collector.running import Process, until

pytestmark = pytest.mark.timeout(300)
EXAMPLES = Path(__file__).parents[2] / "examples"
CLIENTS = 3
REQUESTS = 120
"""Of each client, in each round."""
MIX = (("user_profile", 60), ("digit_segment", 25), ("transaction_history", 30), ("image_embedding", 5))
UNKNOWN = 10_000_000
"""No user has so high a number: such requests fail."""
NAME = {"p50_ms": "p50 (ms)", "p95_ms": "p95 (ms)", "p99_ms": "p99 (ms)", "max_ms": "max (ms)"}


class Truth:
    """Reference counts: the clients' requests, errors and latencies, and Redis's hits and misses."""

    def __init__(self, redis_port):
        self.lock = threading.Lock()
        self.requests = Counter()
        """By feature set."""
        self.errors = 0
        self.latencies_s = []
        self._redis_port = redis_port

    @property
    def total(self):
        return sum(self.requests.values())

    def lookups(self):
        """Return hits and misses, as Redis has counted them."""
        import redis

        with redis.Redis(port=self._redis_port) as client:
            stats = client.info("stats")
        return stats["keyspace_hits"], stats["keyspace_misses"]

    def load(self, port, seed):
        """Send the requests of a round, the same for the same seed."""
        threads = [threading.Thread(target=self._client, args=(port, seed * 100 + n)) for n in range(CLIENTS)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()

    def _client(self, port, seed):
        chance = random.Random(seed)
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        for number in range(REQUESTS):
            (feature_set,) = chance.choices([name for name, _ in MIX], [weight for _, weight in MIX])
            entity = chance.randrange(1, 40)
            if number % 30 == 7:  # four of each client
                feature_set, entity = "user_profile", UNKNOWN + chance.randrange(100)
            began = time.perf_counter()
            connection.request("GET", f"/features/{feature_set}/{entity}")
            answer = connection.getresponse()
            answer.read()
            with self.lock:
                self.latencies_s.append(time.perf_counter() - began)
                self.requests[feature_set] += 1
                self.errors += answer.status != 200
        connection.close()


@contextmanager
def service(endpoint, redis_port, prometheus_port):
    """Run the example under the launcher, as README says, with Prometheus' endpoint beside OTLP; yields its port."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_") and k != "PYTHONPATH"}
    targets = ",".join(f"feature_service.features:Features.{name}={name}" for name in FEATURE_SETS)
    process = subprocess.Popen(
        [Path(sys.executable).parent / "opentelemetry-instrument", sys.executable, "-m", "feature_service", "--port=0"],
        cwd=EXAMPLES,
        env={
            **clean,
            "REDIS_URL": f"redis://127.0.0.1:{redis_port}",
            "OTEL_SERVICE_NAME": "feature_service",
            "OTEL_FE_TARGETS": targets,
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_METRICS_EXPORTER": "otlp,prometheus",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(prometheus_port),
            "OTEL_METRIC_EXPORT_INTERVAL": "1000",
            "OTEL_BSP_SCHEDULE_DELAY": "500",
            "PYTHONUNBUFFERED": "1",
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        assert line.startswith("serving on "), line
        yield int(line.rpartition(":")[2])
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        finally:
            process.kill()
            process.stdout.close()


def collector_yaml(port, backend):
    return f"""
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
processors:
  tail_sampling: {{decision_wait: 1s, policies: [{{name: all, type: always_sample}}]}}
exporters:
  otlp_grpc: {{endpoint: "127.0.0.1:{backend}", tls: {{insecure: true}}, sending_queue: {{num_consumers: 1}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [tail_sampling], exporters: [otlp_grpc]}}
    metrics: {{receivers: [otlp], exporters: [otlp_grpc]}}
    logs: {{receivers: [otlp], exporters: [otlp_grpc]}}
"""


class Chain:
    """The collector with its store and dashboard; it can be killed."""

    def __init__(self, folder, backend):
        self.port = free_port()
        self.store = folder / "store"
        self._file = folder / "collector.yaml"
        self._file.write_text(collector_yaml(self.port, backend))
        self.start()

    def start(self):
        self.collector = Process(self._file, "--store", str(self.store), "--dashboard", "localhost:0")
        self.url = re.search(r"dashboard on (http://\S+?/)[,;]", self.collector.log)[1]

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return answer.read().decode()

    def overview(self, **where):
        query = "&".join(f"{name}={value}" for name, value in where.items())
        return json.loads(self.get(f"overview.json?range=1h&{query}"))

    def close(self):
        if self.collector.process.poll() is None:
            self.collector.stop()


def prometheus_text(port):
    """Return the samples of the service's own endpoint, by name, with their labels."""
    from prometheus_client.parser import text_string_to_metric_families

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def summed(samples, **labels):
    return sum(value for found, value in samples if labels.items() <= found.items())


def buckets(samples, **labels):
    """Return the edges and counts of Prometheus' cumulative buckets."""
    reached = Counter()
    for found, value in samples:
        if labels.items() <= found.items():
            reached[float(found["le"])] += value
    edges = sorted(reached)
    counts = [reached[edge] - (reached[edges[n - 1]] if n else 0) for n, edge in enumerate(edges)]
    return edges[:-1], counts


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Run everything: a round of load, a kill -9 of the collector, and a second round; what was read in between is kept."""
    folder = tmp_path_factory.mktemp("numbers")
    with ExitStack() as stack:
        received = ReceivedTelemetry()
        receiver = Receiver(received.receive)
        receiver.start()
        stack.callback(receiver.stop)
        redis_port = stack.enter_context(redis_server(folder / "redis"))
        made = Chain(folder, receiver.port)
        stack.callback(made.close)
        made.received, made.truth = received, Truth(redis_port)
        metrics_port = free_port()
        with service(f"http://127.0.0.1:{made.port}", redis_port, metrics_port) as port:
            made.truth.load(port, 1)
            settled(made)
            made.before = read(made, metrics_port)
            made.collector.kill()
            made.truth.load(port, 2)  # while no collector listens
            made.start()
            made.truth.load(port, 3)
            settled(made)
            made.after = read(made, metrics_port)
        yield made


def settled(chain):
    """Wait until what the clients have sent has arrived everywhere."""
    targeted = lambda: report_of(chain.received).targeted  # noqa: E731
    until(lambda: targeted() == chain.truth.total, timeout_s=60, told=lambda: f"{targeted()} of {chain.truth.total}")
    total = lambda: chain.overview()["figures"]["extractions"]  # noqa: E731
    until(lambda: total() == report_of(chain.received).extractions, timeout_s=60, told=lambda: chain.collector.log)


def read(chain, metrics_port):
    """Return everything that shows the numbers, and the truth, at one moment."""
    with StoreReader(chain.store) as reader:
        kept = reader.traces.find(Selection(0, time.time_ns()), limit=10_000)
        weights = reader.totals.totals(Selection(0, time.time_ns()))
    return {
        "truth": Counter(chain.truth.requests),
        "errors": chain.truth.errors,
        "lookups": chain.truth.lookups(),
        "latencies_s": list(chain.truth.latencies_s),
        "report": report_of(chain.received),
        "spans": len(chain.received.spans),
        "json": chain.overview(),
        "groups": {name: chain.overview(feature_set=name) for name in FEATURE_SETS},
        "page": chain.get("?range=1h"),
        "csv": list(csv.DictReader(io.StringIO(chain.get("export.csv?range=1h")))),
        "file": json.loads(chain.get("export.json?range=1h")),
        "html": chain.get("export.html?range=1h"),
        "prometheus": prometheus_text(metrics_port),
        "resources": json.loads(chain.get("resources.json?range=1h")),
        "pool_waits": int(chain.received.total(semconv.POOL_WAIT_METRIC)),
        "kept": [one.weight for one in kept],
        "weights": weights,
    }


@pytest.fixture(params=["before", "after"], ids=["at_once", "after_a_kill_of_the_collector"])
def seen(chain, request):
    return getattr(chain, request.param)


def windows(seen):
    return {row["feature set"]: row for row in seen["csv"] if row["span"] == "window"}


def test_every_extraction_is_counted_once_everywhere(seen):
    """Report, page, exports and Prometheus count each feature set's extractions exactly as the clients sent them."""
    labels = {"feature_extraction_feature_set": ""}
    for name, count in seen["truth"].items():
        labels["feature_extraction_feature_set"] = name
        row = next(one for one in seen["report"].latencies if one.feature_set == name)
        told = {
            "report": row.count,
            "json": seen["groups"][name]["figures"]["extractions"],
            "csv": int(windows(seen)[name]["extractions"]),
            "prometheus": summed(seen["prometheus"]["feature_extraction_duration_seconds_count"], **labels),
            "steps": sum(
                int(row["extractions"]) for row in seen["csv"] if row["span"] == "step" and row["feature set"] == name
            ),
        }
        assert set(told.values()) == {count}, (name, count, told)
    whole = seen["report"].extractions
    assert whole == seen["json"]["figures"]["extractions"] == int(windows(seen)["(all)"]["extractions"])
    assert whole == seen["file"]["real_time_performance"]["extractions"]
    assert f"{whole} extractions" in seen["page"].replace("\u202f", "")


def test_errors_and_hits_are_those_of_the_clients_and_of_redis(seen):
    """Ratios in every place are of the same numbers."""
    hits, misses = seen["lookups"]
    report, figures = seen["report"], seen["json"]["figures"]
    assert (report.cache_hits, report.cache_lookups) == (hits, hits + misses)
    assert figures["hit_ratio"] == pytest.approx(hits / (hits + misses))
    assert report.errors == seen["errors"] == round(figures["error_ratio"] * report.extractions)
    lookups = seen["prometheus"]["feature_extraction_cache_lookups_total"]
    assert (summed(lookups, result="hit"), summed(lookups, result="miss")) == (hits, misses)
    row = windows(seen)["(all)"]
    assert float(row["cache hits (%)"]) == pytest.approx(100 * hits / (hits + misses))
    assert float(row["errors (%)"]) == pytest.approx(100 * seen["errors"] / report.extractions)
    for requirement in report.requirements:
        part = next(one for one in seen["json"]["health"]["parts"] if one["name"] == requirement.name)
        assert (part["good"], part["total"], part["met"]) == (requirement.good, requirement.total, requirement.met)
        events = seen["prometheus"]["feature_extraction_slo_events_total"]
        assert summed(events, slo=requirement.name, good="true") == requirement.good


def test_a_percentile_is_one_number_in_every_place(seen):
    """The report, the page's data and the files: the same estimate, and never above the largest value."""
    for name in (*FEATURE_SETS, "all"):
        row = next(one for one in seen["report"].latencies if one.feature_set == name)
        data = (seen["json"] if name == "all" else seen["groups"][name])["figures"]
        table = windows(seen)["(all)" if name == "all" else name]
        for field, column in NAME.items():
            expected = getattr(row, field)
            assert data[field.replace("_ms", "_ns")] == pytest.approx(expected * 1e6, rel=1e-6), (name, field)
            assert float(table[column]) == pytest.approx(expected, rel=1e-6), (name, field)
        assert row.p50_ms <= row.p95_ms <= row.p99_ms <= row.max_ms
    text = Text(colour=False).render(seen["report"])
    p95 = next(one for one in seen["report"].latencies if one.feature_set == "all").p95_ms
    assert f"{p95:,.1f}" in text
    tile = re.search(r"p95 latency.*?</h2><p class=\"big\">([\d.,\u202f]+) ms", seen["page"])[1]
    assert float(tile.replace("\u202f", "")) == pytest.approx(p95, rel=5e-3)
    assert f"{float(f'{p95:.4g}')}".rstrip("0").rstrip(".") in seen["html"]


def test_prometheus_estimates_the_same_within_a_bucket(seen):
    """Prometheus's estimate lies in the same bucket as otel_fe's; its format has no largest value."""
    for name in FEATURE_SETS:
        samples = seen["prometheus"]["feature_extraction_duration_seconds_bucket"]
        edges, counts = buckets(samples, feature_extraction_feature_set=name)
        row = next(one for one in seen["report"].latencies if one.feature_set == name)
        for share, value in ((0.5, row.p50_ms), (0.95, row.p95_ms), (0.99, row.p99_ms)):
            found = quantile(share, edges, counts)
            assert found.low * 1e3 <= value <= found.high * 1e3, (name, share)


def test_durations_are_within_what_the_clients_waited(seen):
    """An extraction is a part of its request: none is longer, nor is their sum or any percentile."""
    report = seen["report"]
    sets = [row for row in report.latencies if row.feature_set in FEATURE_SETS and row.cache in ("all", "none")]
    waited = sorted(seen["latencies_s"])
    assert max(row.max_ms for row in sets) <= 1e3 * waited[-1]
    means = {name: one["figures"]["mean_ns"] / 1e9 for name, one in seen["groups"].items()}
    spent = sum(means[name] * count for name, count in seen["truth"].items())
    assert 0.2 * sum(waited) < spent <= sum(waited)


def test_rates_are_over_the_time_of_counting(seen):
    """The window is an hour, the service runs for some seconds."""
    figures = seen["json"]["figures"]
    assert figures["per_s"] == pytest.approx(figures["extractions"] / figures["counted_s"])
    assert 0 < figures["counted_s"] < 250
    table = windows(seen)["(all)"]
    counted_s = float(table["counted for (s)"])
    # The table was asked for at another moment: the service may have exported once more in between, and counted nothing.
    assert 0 < counted_s < 250
    assert float(table["rate (1/s)"]) == pytest.approx(int(table["extractions"]) / counted_s, rel=1e-3)


def test_kept_traces_weigh_what_they_stand_for(chain):
    """The sum of their weights is the number of all, within four standard deviations: one of sixteen thousand runs."""
    weights = chain.before["kept"]
    assert all(weights)
    extractions = chain.before["report"].extractions
    # Each of all of them is kept with a chance of one in its weight, and adds weight - 1 to the variance. Not estimated from those
    # that were kept: where they are too few, it would be too small as well.
    spread = (extractions * (max(weights) - 1)) ** 0.5
    assert abs(sum(weights) - extractions) <= 4 * spread + 2


def test_pool_waits_are_the_same_everywhere(seen):
    """Each extraction that asked a pool is counted once, and their waits add up to the same."""
    samples = seen["prometheus"]
    count = summed(samples["feature_extraction_pool_wait_time_seconds_count"])
    waited_s = summed(samples["feature_extraction_pool_wait_time_seconds_sum"])
    (usage,) = (one for one in seen["resources"]["usage"] if one["metric"] == semconv.POOL_WAIT_METRIC)
    assert count == seen["pool_waits"] == usage["count"] > 0
    assert usage["mean"] * usage["count"] == pytest.approx(waited_s, rel=1e-6)
    lookups = seen["resources"]["lookups"]
    assert (lookups["hit"], lookups["miss"]) == seen["lookups"]


def test_health_and_alerts_say_the_same(seen):
    """Healthy is what meets every requirement and has no alert; in the page, its data and the file."""
    health, alerts = seen["json"]["health"], seen["json"]["alerts"]
    broken = [one for one in health["parts"] if one["met"] is False]
    assert (health["status"] == "healthy") == (not broken and not alerts)
    assert seen["file"]["system_health"] == health
    assert f"System health: {health['score']:.0f} of 100, {health['status']}" in seen["html"]
    rows = {part["title"]: part for part in health["parts"]}
    assert all(title in seen["html"] and title in seen["page"] for title in rows)
