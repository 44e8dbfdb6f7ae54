"""Ray Serve with two replicas, instrumented by one line: one trace from the proxy to the task, and one view of the figures."""

from __future__ import annotations

import time

import pytest

from tests.otlp import ancestors
from tests.ray.cluster import PATIENCE_S, cluster

pytestmark = pytest.mark.timeout(900)

TASK = "app.embed ray.remote_worker"
REPLICA = "replica_handle_request Profiles features"
TO_REPLICA = [
    REPLICA,
    "route_to_replica Profiles features",
    "replica_handle_request Front __call__",
    "route_to_replica Front __call__",
    "proxy_http_request Front GET /",
]


@pytest.fixture(scope="module")
def ray_cluster():
    """Return the example application in a cluster, instrumented by the line in its runtime environment.

    The driver is not, and has called the task before any replica does.
    """
    with cluster() as running:
        running.tell("task")
        running.tell("request")
        yield running


def whole(running, trace_id):
    """Return a trace once the proxy's span, which ends last, has arrived, and all that is below it."""

    def complete(otlp):
        found = otlp.trace(trace_id)
        return found if {one.name for one in found} >= {*TO_REPLICA, TASK} and _extractions(found) >= 2 else None

    return running.exported(complete)


def _extractions(trace):
    return sum(one.is_extraction for one in trace)


def named(trace, name):
    (found,) = (one for one in trace if one.name == name)
    return found


def until(running, condition, ask="stats"):
    """Ask the cluster for its figures until they are as expected."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition(stats := running.tell(ask)):
        assert time.monotonic() < deadline, stats
        time.sleep(0.3)
    return stats


def settled(running):
    """Return the figures once every extraction so far is exported, and counted in them."""
    running.exported(lambda otlp: _extractions(otlp.spans) >= running.extractions)
    ended = running.extractions + running.synced
    return until(
        running,
        lambda found: (
            found["extractions"]["total_extractions"] >= ended and found["requirements"]["latency"]["total"] >= ended
        ),
    )


def roots(running):
    """Return the extractions that are in no trace but their own."""
    return [one for one in running.otlp.spans if one.is_extraction and not one.parent_id]


def test_one_trace_from_the_request_to_the_extractions(ray_cluster):
    """The request's own trace goes through proxy, handle call, replica and task; each is a process of its own."""
    trace_id, span_id = ray_cluster.traced_request()
    trace = whole(ray_cluster, trace_id)
    profile = named(trace, "feature_extraction user_profile")
    embedding = named(trace, "feature_extraction embedding")
    assert ancestors(profile, trace) == TO_REPLICA
    assert ancestors(embedding, trace) == [TASK, *TO_REPLICA]
    assert named(trace, TO_REPLICA[-1]).parent_id == span_id
    processes = {
        named(trace, name).resource["service.instance.id"] for name in (TO_REPLICA[-1], TO_REPLICA[2], REPLICA, TASK)
    }
    assert len(processes) == 4
    assert len({one.span_id for one in trace}) == len(trace) == 8


def test_extractions_say_whose_request_they_work_for(ray_cluster):
    """Application, deployment, replica and request are on the extraction in the replica and on that in its task."""
    trace_id, _ = ray_cluster.traced_request()
    trace = whole(ray_cluster, trace_id)
    profile = named(trace, "feature_extraction user_profile").attributes
    embedding = named(trace, "feature_extraction embedding").attributes
    ours = {key: value for key, value in profile.items() if key.startswith("ray.serve.")}
    assert ours == {key: value for key, value in embedding.items() if key.startswith("ray.serve.")}
    serves_own = named(trace, REPLICA).attributes
    assert ours["ray.serve.application"] == serves_own["app"] == "default"
    assert ours["ray.serve.deployment"] == serves_own["deployment"] == "Profiles"
    assert ours["ray.serve.replica"] == serves_own["replica_id"]
    assert ours["ray.serve.request_id"] == serves_own["request_id"]
    assert any(name.endswith(ours["ray.serve.replica"]) for name in ray_cluster.tell("replicas"))
    assert 0 <= ours["ray.serve.queue_time"] < 60
    assert named(trace, TASK).attributes["ray.task_id"]


def test_a_task_outside_of_any_trace_is_left_alone(ray_cluster):
    """A task outside of a trace begins a trace with its extraction, and returns the same as without otel_fe."""
    assert len(ray_cluster.tell("task")) == 8
    ray_cluster.exported(lambda _: len(roots(ray_cluster)) >= ray_cluster.tasks)
    alone = roots(ray_cluster)
    assert [one.name for one in alone] == ["feature_extraction embedding"] * ray_cluster.tasks
    assert not any("ray.serve.request_id" in one.attributes for one in alone)


def test_both_replicas_extract(ray_cluster):
    """Every replica is instrumented, and every extraction is exported once."""
    settled(ray_cluster)
    before = len(ray_cluster.otlp.spans)
    assert ray_cluster.tell("load", 20, 8) == 20
    settled(ray_cluster)
    found = [one for one in ray_cluster.otlp.spans[before:] if one.is_extraction]
    assert len(found) == len({one.span_id for one in found}) == 40
    assert len({one.attributes["ray.serve.replica"] for one in found}) == 2


def test_queueing_and_extraction_are_told_apart(ray_cluster):
    """Twelve at once on two replicas that take one at a time: most of the p95 is waiting, by Serve's and by our figures."""
    settled(ray_cluster)
    ray_cluster.tell("focus")
    before = len(ray_cluster.otlp.spans)
    ray_cluster.tell("load", 60, 12)

    def counted(found):
        profiles = found["deployments"].get("default#Profiles", {})
        return (
            profiles.get("requests") == 60
            and profiles["latency"]
            and profiles["latency"]["requests"] == 60
            and found["extractions"]["total_extractions"] >= 120
        )

    stats = until(ray_cluster, counted, ask="focused_stats")
    profiles = stats["deployments"]["default#Profiles"]
    split = profiles["latency"]
    assert profiles["running_replicas"] == 2
    assert split["queue_ms"] + split["extraction_ms"] + split["other_ms"] == pytest.approx(split["mean_ms"])
    assert split["queue_ratio"] > 0.5
    assert split["extraction_ms"] >= 20
    assert stats["extractions"]["total_extractions"] == 120
    settled(ray_cluster)
    # The same requests by their spans: the means of those at the p95 lie among the single values.
    extractions = [one for one in ray_cluster.otlp.spans[before:] if one.name == "feature_extraction user_profile"]
    waits = sorted(one.attributes["ray.serve.queue_time"] * 1000 for one in extractions)
    durations = sorted((one.end_ns - one.start_ns) / 1e6 for one in extractions)
    assert waits[0] <= split["queue_ms"] <= waits[-1] * 1.001
    assert durations[0] * 0.999 <= split["extraction_ms"] <= durations[-1] * 1.001


def test_extractions_of_the_whole_cluster_are_counted(ray_cluster):
    """Replicas and tasks publish each extraction once; the requirements are tested on all of them."""
    before = settled(ray_cluster)
    ray_cluster.tell("load", 15, 4)
    after = settled(ray_cluster)
    assert after["extractions"]["total_extractions"] == before["extractions"]["total_extractions"] + 30
    assert after["extractions"]["total_extractions"] == ray_cluster.extractions + ray_cluster.synced
    for name in ("latency", "error_rate", "memory"):
        assert after["requirements"][name]["total"] == before["requirements"][name]["total"] + 30
    assert after["requirements"]["error_rate"]["met"] is True
    assert after["unreachable_nodes"] == []


def test_metrics_of_the_application_s_own_are_shown_by_ray(ray_cluster):
    """Synced metrics appear at Ray's own metrics endpoint and in the unified view."""
    ray_cluster.tell("sync", {"duration_ms": 12.0, "used_cache": True, "feature_set": "mine"})
    ray_cluster.tell("sync", [{"duration_ms": 13.0, "used_cache": False, "feature_set": "mine"}])
    ray_cluster.tell("sync_monitor")
    assert ray_cluster.tell("refused", {"speed": 1}).startswith("TypeError: metrics: found speed")
    stats = settled(ray_cluster)
    assert stats["requirements"]["cache_hit_rate"]["good"] == 1
    assert stats["requirements"]["cache_hit_rate"]["total"] == 2
    assert stats["synced"]["p95_latency_ms"] == 30.0
    lines = ray_cluster.tell("exposition", "ray_feature_extraction_")
    assert any(
        line.startswith("ray_feature_extraction_cache_lookups_total") and 'result="hit"' in line for line in lines
    )
    assert any('figure="p95_latency_ms"' in line and line.endswith(" 30.0") for line in lines)


def test_the_background_task_reads_and_ends(ray_cluster):
    """The background task reads on one thread and leaves nothing behind; it may be stopped twice."""
    assert ray_cluster.tell("background") == [1, 0]


@pytest.mark.parametrize("change", ["kill", "redeploy"])
def test_replicas_that_are_replaced_lose_nothing(ray_cluster, change):
    """A replica is killed, or all are deployed anew while requests come in: no extraction is outside of its trace, counts
    never fall, and two replicas are left.

    What is deployed anew is pickled in a driver that has called the task outside of any trace.
    """
    counted = settled(ray_cluster)["extractions"]["total_extractions"]
    before = ray_cluster.tell("replicas")
    gone = {before[0]} if change == "kill" else set(before)
    ray_cluster.tell(*(("kill", before[0]) if change == "kill" else ("redeploy",)))

    def replaced(found):
        now = set(ray_cluster.tell("replicas"))
        running = found["deployments"].get("default#Profiles", {}).get("running_replicas")
        return found["serve_running"] and running == len(now) == 2 and not now & gone

    stats = until(ray_cluster, replaced)
    assert stats["extractions"]["total_extractions"] >= counted
    trace_id, _ = ray_cluster.traced_request()
    trace = whole(ray_cluster, trace_id)
    assert ancestors(named(trace, "feature_extraction embedding"), trace) == [TASK, *TO_REPLICA]
    replica = named(trace, "feature_extraction user_profile").attributes["ray.serve.replica"]
    assert any(name.endswith(replica) for name in ray_cluster.tell("replicas"))
    settled(ray_cluster)
    assert len(roots(ray_cluster)) == ray_cluster.tasks
