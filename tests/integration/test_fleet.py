"""The rendered fleet at work: two services, an agent, two samplers, backends; all real, all by `collector_config/`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.error
import urllib.parse
from collections import Counter, defaultdict
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from otel_fe.config.openslo import default_slos
from otel_fe.render.collector import collector_files
from otel_fe.render.fleet import read_fleet
from tests.real.fleet import FOLDER, Tier, remote_written, send, until
from tests.real.fleet_sender import SERVICES, part
from tests.real.jaeger import jaeger
from tests.real.prometheus import get
from tests.real.sink import OtlpSink
from tests.unit.collector.running import backend, export, request, running

# The first run on a machine builds the Collector and Jaeger.
pytestmark = pytest.mark.timeout(1500)
TRACES = 600


def policy(decision_wait: str) -> str:
    """Return the committed policy with another wait, and a shorter interval between metrics."""
    text = (FOLDER / "policy.yaml").read_text()
    changed = text.replace("decision_wait: 10s", f"decision_wait: {decision_wait}")
    return changed.replace("metrics_flush_interval: 15s", "metrics_flush_interval: 1s")


def files(decision_wait: str) -> dict[str, str]:
    """Return what is rendered of it."""
    return collector_files(read_fleet(policy(decision_wait), "policy.yaml", {}, default_slos()))


@contextmanager
def fleet(folder, backends, *, metrics="", decision_wait="3s"):
    """Run an agent and a sampler for each backend; yields both. Metrics go where nobody looks unless a test says where."""
    rendered = files(decision_wait)
    with ExitStack() as stack:
        metrics = metrics or f"{stack.enter_context(OtlpSink()).url}/api/v1/write"
        samplers = [
            stack.enter_context(
                Tier(
                    rendered["sampler.yaml"],
                    folder / f"sampler-{number}",
                    f"sampler-{number}",
                    {"OTEL_FE_TRACES_ENDPOINT": endpoint, "OTEL_FE_REMOTE_WRITE_ENDPOINT": metrics},
                )
            )
            for number, endpoint in enumerate(backends, 1)
        ]
        yield agent(stack, folder, rendered, [sampler.port for sampler in samplers]), samplers


def agent(stack, folder, rendered, samplers):
    """Run an agent before samplers at some ports."""
    hosts = f"[{', '.join(f'127.0.0.1:{port}' for port in samplers)}]"
    return stack.enter_context(Tier(rendered["agent.yaml"], folder / "agent", "agent", {"OTEL_FE_SAMPLERS": hosts}))


def arrived(*sinks):
    """Return, by trace, which sink each of its spans is at."""
    found = defaultdict(list)
    for number, sink in enumerate(sinks):
        for span in sink.spans():
            found[int.from_bytes(span.trace_id, "big")].append(number)
    return dict(found)


def weights(*sinks):
    """Return, by trace, what `tracestate` says of its weight."""
    found = defaultdict(set)
    for sink in sinks:
        for span in sink.spans():
            found[span.trace_id].add(span.trace_state)
    return dict(found)


def wanted(first, last):
    """Return the ids of the traces that must be kept whatever chance says."""
    return {part(number).trace_id for number in range(first, last) if part(number).must_be_kept}


def settled(sinks, first, last):
    """Wait until all that must be kept of some traces are there, whole; return what has arrived."""
    must = wanted(first, last)
    until(lambda: all(len(arrived(*sinks).get(one, ())) == len(SERVICES) for one in must))
    return arrived(*sinks)


def query(port, expression):
    """Return Prometheus's answer by labels."""
    found = get(f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(expression)}")
    return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in found["data"]["result"]}


def already_counted():
    """Return an extraction that a process has decided on, and therefore counted, by itself."""
    made = request(1, spans=1, name="feature_extraction shop")
    made.resource_spans[0].scope_spans[0].scope.name = "otel_fe"
    made.resource_spans[0].scope_spans[0].spans[0].trace_state = "ot=th:0"
    return made


def expected_events():
    """Return the good and bad events of the requirements, by the plain definition."""
    made = [part(number) for number in range(TRACES)]
    good = {
        "latency": sum(one.lasts_ns < 100_000_000 for one in made),
        "cache_hit_rate": sum(one.hit for one in made),
        "error_rate": sum(not one.failed for one in made),
        "memory": TRACES,
    }
    both = {(name, True): count for name, count in good.items()}
    both |= {(name, False): TRACES - count for name, count in good.items()}
    return {key: count for key, count in both.items() if count}


def test_traces_stay_whole_and_every_span_counts(tmp_path):
    """Each trace is at one sampler, failed and slow ones all are there, and Prometheus has every extraction, kept or not."""
    with ExitStack() as stack:
        sinks = [stack.enter_context(backend()) for _ in range(2)]
        port = stack.enter_context(remote_written(tmp_path / "prometheus"))
        write = f"http://127.0.0.1:{port}/api/v1/write"
        endpoints = [f"127.0.0.1:{sink.port}" for sink in sinks]
        front, samplers = stack.enter_context(fleet(tmp_path, endpoints, metrics=write))
        export(f"127.0.0.1:{front.port}", already_counted().SerializeToString())
        send(front.port, 0, TRACES)
        count = "sum(feature_extraction_duration_seconds_count)"
        until(lambda: query(port, count).get(()) == TRACES)
        found = settled(sinks, 0, TRACES)
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
        name = urllib.parse.quote('{__name__=~"traces_span_metrics.*duration_seconds_bucket"}')
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


def test_a_killed_sampler_s_traces_move_and_its_pending_ones_are_lost_and_counted(tmp_path):
    """What it had not decided is gone, and is the difference of two counters; what comes later goes to the other."""
    with ExitStack() as stack:
        sinks = [stack.enter_context(backend()) for _ in range(2)]
        endpoints = [f"127.0.0.1:{sink.port}" for sink in sinks]
        front, (first, second) = stack.enter_context(fleet(tmp_path, endpoints, decision_wait="12s"))
        received = "otelcol_processor_tail_sampling_new_trace_id_received"
        send(front.port, 0, TRACES)
        until(lambda: first.count(received) + second.count(received) == TRACES)
        owned = [first.count(received), second.count(received)]
        assert min(owned) > TRACES / 4
        decided = second.count("otelcol_processor_tail_sampling_global_count_traces_sampled")
        second.kill()
        front.stop()
        lost = owned[1] - decided
        front = agent(stack, tmp_path, files("12s"), [first.port])
        send(front.port, TRACES, 2 * TRACES)
        found = settled(sinks[:1], TRACES, 2 * TRACES)
        assert wanted(TRACES, 2 * TRACES) < found.keys()
        survived = wanted(0, TRACES) & arrived(*sinks).keys()
        missing = wanted(0, TRACES) - survived
        assert 0 < len(missing) <= lost
        assert first.count(received) == owned[0] + TRACES


def test_nothing_kept_is_lost_while_the_backend_is_away(tmp_path):
    """It waits on disk, through a restart of the samplers too."""
    with ExitStack() as stack:
        sinks = [stack.enter_context(backend()) for _ in range(2)]
        for sink in sinks:
            sink.refuse = True
        front, samplers = stack.enter_context(fleet(tmp_path, [f"127.0.0.1:{sink.port}" for sink in sinks]))
        send(front.port, 0, TRACES)
        decided = "otelcol_processor_tail_sampling_global_count_traces_sampled"
        until(lambda: sum(sampler.count(decided) for sampler in samplers) == TRACES)
        for sampler in samplers:
            sampler.stop()
            stack.enter_context(sampler)
        assert arrived(*sinks) == {}
        for sink in sinks:
            sink.refuse = False
        settled(sinks, 0, TRACES)


def test_otel_fe_s_collectors_in_place_of_the_samplers_keep_the_same(tmp_path):
    """The same agent, the same policy file, the same traffic: the same set of traces, of the same weights."""
    kept, weighed = [], []
    with ExitStack() as stack:
        sinks = [stack.enter_context(backend()) for _ in range(2)]
        front, _ = stack.enter_context(fleet(tmp_path / "real", [f"127.0.0.1:{sink.port}" for sink in sinks]))
        send(front.port, 0, TRACES)
        settled(sinks, 0, TRACES)
    # Its end has sent everything.
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
        front = agent(stack, tmp_path / "ours", files("3s"), ports)
        send(front.port, 0, TRACES)
        settled(sinks, 0, TRACES)
        for one in ours:
            one.stop()
        kept.append(arrived(*sinks))
        weighed.append(weights(*sinks))
    assert kept[0].keys() == kept[1].keys()
    assert weighed[0] == weighed[1]
    assert len({tuple(one) for one in weighed[0].values()}) > 1
    assert Counter(map(len, kept[0].values())) == Counter(map(len, kept[1].values()))


SLOW = """
import time
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
def slow(rows):
    time.sleep(0.15)
    return rows
make_pipeline(FunctionTransformer(slow)).transform([[1.0]])
"""


def test_an_endpoint_is_enough_for_people_who_have_a_backend(tmp_path):
    """README's three lines: the launcher, and nothing set but where Jaeger is; a slow extraction is there to look at."""
    app = tmp_path / "app.py"
    app.write_text(SLOW)
    environ = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    with jaeger(tmp_path / "jaeger", FOLDER / "jaeger.yaml") as (spans, queries):
        environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{spans}"
        launched = [Path(sys.executable).parent / "opentelemetry-instrument", sys.executable, app]
        done = subprocess.run(launched, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        page = f"http://127.0.0.1:{queries}"
        (service,) = until(lambda: get(f"{page}/api/services")["data"])
        found = f"{page}/api/traces?service={urllib.parse.quote(service)}&lookback=1h&limit=20"
        (trace,) = until(lambda: get(found)["data"])
        (span,) = [one for one in trace["spans"] if one["operationName"].startswith("feature_extraction")]
        tags = {tag["key"]: tag["value"] for tag in span["tags"]}
        assert tags["feature_extraction.library"] == "scikit-learn"
        assert tags["feature_extraction.slo.breached"]
        assert tags["feature_extraction.bottleneck"]
