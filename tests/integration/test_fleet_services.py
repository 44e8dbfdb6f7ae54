"""Services that measure themselves, as users start them: before a fleet, and before a Jaeger alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.parse
from collections import defaultdict
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from otel_fe import semconv
from otel_fe.render.prometheus_names import metric_name
from tests.integration.servers import free_port
from tests.real import fleet_features
from tests.real.arrivals import arrived
from tests.real.fleet import until, watched_fleet
from tests.real.jaeger import jaeger
from tests.real.prometheus import get, query
from tests.real.tier import FOLDER, ROOT

pytestmark = pytest.mark.timeout(400)
LAUNCHER = Path(sys.executable).parent / "opentelemetry-instrument"
REQUESTS = 60
COUNTED_BY_BOTH = (
    semconv.DURATION,
    semconv.MEMORY_GROWTH_METRIC,
    semconv.CPU_TIME_METRIC,
    semconv.POOL_WAIT_METRIC,
    semconv.CACHE_LOOKUPS_METRIC,
    semconv.SLO_EVENTS,
)


def environment(endpoint, **more):
    """Return this process's environment with no setting of OpenTelemetry's but where to send."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    return {**clean, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **more}


@contextmanager
def service(role, port, agent):
    """Run an example service under the launcher, deciding and counting in its process."""
    environ = environment(
        f"http://127.0.0.1:{agent}",
        OTEL_SERVICE_NAME=role,
        # What it keeps has left already, undecided, and would be there twice.
        OTEL_TRACES_EXPORTER="none",
        OTEL_FE_TARGETS=fleet_features.TARGETS,
        OTEL_FE_CACHES=fleet_features.CACHES,
        PYTHONPATH=str(ROOT),
    )
    arguments = [role, str(port), str(REQUESTS), f"127.0.0.1:{agent}"]
    command = [LAUNCHER, sys.executable, ROOT / "tests" / "real" / "fleet_service.py", *arguments]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.wait(60) == 0


def counted(port, collectors):
    """Return what some Collectors have written of the metrics of extractions: added up, by name and every label of the metric's."""
    names = "|".join(f"{metric_name(name)}(_bucket|_sum|_count)?" for name in COUNTED_BY_BOTH)
    found = defaultdict(float)
    for labels, value in query(port, f'{{__name__=~"{names}", collector=~"{collectors}"}}').items():
        # Who has counted, and where it was added up, differ; `instance` and `job` do not.
        found[tuple(one for one in labels if one[0] != "collector" and not one[0].startswith("otel_scope"))] += value
    return dict(found)


def total(series, name):
    """Return the sum of all series of a name."""
    return sum(value for labels, value in series.items() if dict(labels)["__name__"] == name)


def test_samplers_count_exactly_what_the_sdk_counts(tmp_path):
    """Every series of every metric is equal for the same extractions of two services, bucket by bucket; no trace is split."""
    extractions = REQUESTS + sum(number % 10 != 3 for number in range(REQUESTS))
    with watched_fleet(tmp_path) as (sinks, port, front, _):
        asked = free_port()
        with service("features", asked, front.port) as features:
            assert features.stdout.readline() == "ready\n"
            with service("front", asked, front.port):
                pass
        count = f"{metric_name(semconv.DURATION)}_count"
        until(lambda: total(counted(port, "sampler.*"), count) == extractions)
        with suppress(AssertionError):
            until(lambda: counted(port, "sampler.*") == pytest.approx(counted(port, ""), rel=1e-9), 20)
        # The SDK's come through the agent as they are. What is added up in floats may differ in their last digits.
        by_sdk = counted(port, "")
        assert counted(port, "sampler.*") == pytest.approx(by_sdk, rel=1e-9)
        names = {re.sub("_(bucket|sum|count)$", "", dict(labels)["__name__"]) for labels in by_sdk}
        assert names == set(map(metric_name, COUNTED_BY_BOTH))
        assert total(by_sdk, count) == extractions
        board = (FOLDER / "grafana" / "dashboards" / "extractions.json").read_text()
        # The board also asks for what only some services have: pools, alerts, causes of slow extractions.
        asked_for = {
            one for one in re.findall(r"\w+(?=\{job)", board) if re.sub("_(bucket|sum|count)$", "", one) in names
        }
        until(lambda: asked_for <= set(get(f"http://127.0.0.1:{port}/api/v1/label/__name__/values")["data"]))
        assert len(asked_for) > 5
        until(lambda: len(arrived(*sinks)) > REQUESTS // 10)
        assert all(len(set(places)) == 1 for places in arrived(*sinks).values())


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
    with jaeger(tmp_path / "jaeger", FOLDER / "jaeger.yaml") as (spans, queries):
        environ = environment(f"http://127.0.0.1:{spans}")
        done = subprocess.run([LAUNCHER, sys.executable, app], env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        page = f"http://127.0.0.1:{queries}"
        (service_name,) = until(lambda: get(f"{page}/api/services")["data"])
        found = f"{page}/api/traces?service={urllib.parse.quote(service_name)}&lookback=1h&limit=20"
        (trace,) = until(lambda: get(found)["data"])
        (span,) = [one for one in trace["spans"] if one["operationName"].startswith("feature_extraction")]
        tags = {tag["key"]: tag["value"] for tag in span["tags"]}
        assert tags["feature_extraction.library"] == "scikit-learn"
        assert tags["feature_extraction.slo.breached"]
        assert tags["feature_extraction.bottleneck"]
