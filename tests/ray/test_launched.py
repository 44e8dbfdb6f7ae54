"""Ray Serve under `opentelemetry-instrument`, without a line in the application."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.otlp import ancestors
from tests.ray.cluster import cluster

pytestmark = pytest.mark.timeout(900)


def test_the_launcher_reaches_every_process_and_a_stopped_replica_exports_what_it_has():
    """A handle call of the driver's is one trace with its extractions; exporters that would wait for minutes do not lose what a
    replica has finished when Serve stops it. What runs a task, Ray ends with the driver, by force where it takes long."""
    with cluster(
        "opentelemetry-instrument",
        RAY_RUNTIME_ENV_HOOK="otel_fe.ray_integration.runtime_env_hook",
        OTEL_BSP_SCHEDULE_DELAY="600000",
    ) as running:
        running.tell("handle")
        running.tell("request")
        running.tell("shut_serve_down")
        otlp = running.otlp
        running.exported(lambda seen: Counter(one.name for one in seen.spans)["feature_extraction user_profile"] == 2)
        running.end()
        spans = otlp.spans
        (route,) = (one for one in spans if one.name == "route_to_replica Profiles features" and not one.parent_id)
        trace = otlp.trace(route.trace_id)
        extractions = [one for one in trace if one.is_extraction]
        for extraction in extractions:
            assert ancestors(extraction, trace)[-2:] == ["replica_handle_request Profiles features", route.name]
        assert "feature_extraction user_profile" in {one.name for one in extractions}
        ids = [one.span_id for one in spans]
        assert len(ids) == len(set(ids))
