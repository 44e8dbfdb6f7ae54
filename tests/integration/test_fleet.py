"""The rendered fleet at work: two services, an agent, two samplers, backends; all real, all by `collector_config/`."""

from __future__ import annotations

import re
import urllib.error
from collections import Counter
from contextlib import ExitStack

import pytest

from tests.real.arrivals import arrived, settled, wanted, weights
from tests.real.fleet import agent, files, fleet, policy, remote_written, send, until, watched_fleet
from tests.real.fleet_sender import SERVICES, part
from tests.real.jaeger import jaeger
from tests.real.prometheus import get, query
from tests.real.tier import FOLDER
from tests.unit.collector.running import backend, export, request, running

pytestmark = pytest.mark.timeout(400)
TRACES = 600


def already_counted():
    """Return an extraction that a process has decided on, and therefore counted, by itself."""
    made = request(1, spans=1, name="feature_extraction shop")
    made.resource_spans[0].scope_spans[0].scope.name = "otel_fe"
    made.resource_spans[0].scope_spans[0].spans[0].trace_state = "ot=th:0"
    return made


def expected_events():
    """Return the good and bad events of the requirements, by the plain definition; none is a number too."""
    made = [part(number) for number in range(TRACES)]
    good = {
        "latency": sum(one.lasts_ns < 100_000_000 for one in made),
        "cache_hit_rate": sum(one.hit for one in made),
        "error_rate": sum(not one.failed for one in made),
        "memory": TRACES,
    }
    both = {(name, True): count for name, count in good.items()}
    return both | {(name, False): TRACES - count for name, count in good.items()}


def test_traces_stay_whole_and_every_span_counts(tmp_path):
    """Each trace is at one sampler, failed and slow ones all are there, and Prometheus has every extraction, kept or not."""
    with watched_fleet(tmp_path) as (sinks, port, front, samplers):
        export(f"127.0.0.1:{front.port}", already_counted().SerializeToString())
        send(front.port, 0, TRACES)
        count = "sum(feature_extraction_duration_seconds_count)"
        until(lambda: query(port, count).get(()) == TRACES)
        found = settled(sinks, wanted(0, TRACES))
        assert set(map(tuple, found.values())) == {(0, 0), (1, 1)}, "a trace is split, or one sampler has nothing"
        assert wanted(0, TRACES) < found.keys()
        assert len(found) < TRACES // 2
        events = {
            (dict(labels)["slo"], dict(labels)["good"] == "true"): value
            for labels, value in query(port, "sum by (slo, good) (feature_extraction_slo_events_total)").items()
        }
        assert events == expected_events()
        edge = 'sum(feature_extraction_duration_seconds_bucket{le="0.1"})'
        assert query(port, edge)[()] == sum(part(number).lasts_ns <= 100_000_000 for number in range(TRACES))
        growth = "feature_extraction_memory_growth_bytes"
        assert query(port, f'sum({growth}_bucket{{le="0"}})')[()] == query(port, f"sum({growth}_count)")[()] == TRACES
        assert query(port, "sum(feature_extraction_cpu_time_seconds_sum)")[()] == pytest.approx(0.004 * TRACES)
        lookups = query(port, "sum by (result) (feature_extraction_cache_lookups_total)")
        hits = sum(2 if part(number).hit else 1 for number in range(TRACES))
        assert lookups == {(("result", "hit"),): hits, (("result", "miss"),): 2 * TRACES - hits}
        spans = TRACES * len(SERVICES) + 1
        until(lambda: query(port, "sum(traces_span_metrics_calls_total)").get(()) == spans)
        # What the alert on forgotten traces asks for is there, and all else that a sampler has handled is accounted for.
        forgotten = r"otelcol_processor_tail_sampling_sampling_trace_dropped_too_early(_total)?"
        assert forgotten in files("3s")["prometheus/fleet.rules.yaml"]
        assert all(re.search(rf"^{forgotten} 0$", sampler.page(), re.MULTILINE) for sampler in samplers)


def test_an_exemplar_found_in_prometheus_opens_in_jaeger(tmp_path):
    """All of them do, since only kept traces are exemplars."""
    with ExitStack() as stack:
        spans, queries = stack.enter_context(jaeger(tmp_path / "jaeger", FOLDER / "jaeger.yaml"))
        page = f"http://127.0.0.1:{queries}"
        port = stack.enter_context(remote_written(tmp_path / "prometheus"))
        write = f"http://127.0.0.1:{port}/api/v1/write"
        front, _ = stack.enter_context(fleet(tmp_path, [f"127.0.0.1:{spans}"] * 2, metrics=write))
        send(front.port, 0, TRACES)
        # As the dashboard asks for them.
        (name,) = re.findall(
            r"\w+_kept_\w+_bucket", (FOLDER / "grafana" / "dashboards" / "extractions.json").read_text()
        )
        url = f"http://127.0.0.1:{port}/api/v1/query_exemplars?query={name}&start=0&end=4000000000"
        found = until(lambda: get(url)["data"])
        ids = {one["labels"]["trace_id"] for series in found for one in series["exemplars"]}
        assert ids
        for one in ids:
            (trace,) = until(lambda one=one: opened(page, one))
            assert len(trace["spans"]) == len(SERVICES)


def opened(page, trace_id):
    """Return a trace from Jaeger, or nothing where it has none."""
    try:
        return get(f"{page}/api/traces/{trace_id}")["data"]
    except urllib.error.HTTPError:
        return []


def test_otel_fe_s_collectors_in_place_of_the_samplers_keep_the_same(tmp_path):
    """The same agent, the same policy file, the same traffic: the same set of traces, of the same weights."""
    kept, weighed = [], []
    with ExitStack() as stack:
        sinks = [stack.enter_context(backend()) for _ in range(2)]
        front, samplers = stack.enter_context(fleet(tmp_path / "real", [f"127.0.0.1:{sink.port}" for sink in sinks]))
        send(front.port, 0, TRACES)
        decided = "otelcol_processor_tail_sampling_global_count_traces_sampled"
        until(lambda: sum(one.count(decided) for one in samplers) == TRACES)
        # Ended before, they would leave on disk what they have not sent.
        sampled = sum(one.count(decided, 'sampled="true"') for one in samplers)
        until(lambda: len(settled(sinks, wanted(0, TRACES))) == sampled)
        kept.append(arrived(*sinks))
        weighed.append(weights(*sinks))
    with ExitStack() as stack:
        sinks = [stack.enter_context(backend()) for _ in range(2)]
        ours = []
        for number, sink in enumerate(sinks):
            text = policy("3s").replace('"${env:OTEL_FE_TRACES_ENDPOINT:-localhost:14317}"', f"127.0.0.1:{sink.port}")
            text = text.replace("localhost:4317", "localhost:0").replace("localhost:4318", "localhost:0")
            (tmp_path / str(number)).mkdir()
            ours.append(stack.enter_context(running(tmp_path / str(number), text)))
        ports = [int(one.grpc.rsplit(":", 1)[1]) for one in ours]
        front = stack.enter_context(agent(files("3s"), tmp_path / "ours", ports))
        send(front.port, 0, TRACES)
        settled(sinks, wanted(0, TRACES))
        for one in ours:
            one.stop()
        kept.append(arrived(*sinks))
        weighed.append(weights(*sinks))
    assert kept[0].keys() == kept[1].keys()
    assert weighed[0] == weighed[1]
    assert len({tuple(one) for one in weighed[0].values()}) > 1
    assert Counter(map(len, kept[0].values())) == Counter(map(len, kept[1].values()))
