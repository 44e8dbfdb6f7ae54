"""Slow extractions in Ray's processes name their cause and their line; run by `test_tasks.py` in an environment that has Ray.

Ray runs an application's code on the main thread, on threads that its C++ has made, and in event loops: uvloop's, on threads.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import ray
from ray import serve

from otel_fe.ray.worker import HOOK, SETUP
from tests.otlp import receiving
from tests.ray.inside import slow
from tests.ray.starting import start

_MARK = "# cause: "
LINES = {
    line.partition(_MARK)[2]: number
    for number, line in enumerate(Path(slow.__file__).read_text().splitlines(), 1)
    if _MARK in line
}
LINES["cpu_in_a_loop"] = LINES["cpu"]
CAUSES = ("cpu", "sleep", "lock")
IN_LOOPS = ("cpu_in_a_loop", "sleep_in_a_loop")


@pytest.fixture(scope="module", autouse=True)
def otlp():
    """Run a cluster whose processes export to this one; give what arrives."""
    with receiving() as seen:
        variables = {
            **{f"OTEL_{signal}_EXPORTER": "none" for signal in ("METRICS", "LOGS")},
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_EXPORTER_OTLP_ENDPOINT": seen.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_FE_SLOW_THRESHOLD_S": "0.2",
        }
        start(num_cpus=2, object_store_memory=100_000_000, runtime_env={HOOK: SETUP, "env_vars": variables})
        yield seen
        serve.shutdown()
        ray.shutdown()


@ray.remote(num_cpus=0.1)
def task(name):
    getattr(slow, name)()


@ray.remote(num_cpus=0.1)
class Actor:
    def run(self, name):
        getattr(slow, name)()


@ray.remote(num_cpus=0.1)
class AsyncActor:
    async def run(self, name):
        await getattr(slow, name)()


@pytest.fixture(scope="module")
def deployment():
    """Return the handle of a deployment that runs either."""

    @serve.deployment(ray_actor_options={"num_cpus": 0.1})
    class Deployed:
        def run(self, name):
            getattr(slow, name)()

        async def run_in_the_loop(self, name):
            await getattr(slow, name)()

    return serve.run(Deployed.bind(), name="slow", route_prefix=None)


def explained(otlp, name, run):
    """Run an extraction; assert that its span has the cause and the line."""
    before = len(otlp.spans)
    run(name)
    (found,) = otlp.until(lambda seen: [one for one in seen.spans[before:] if one.is_extraction], timeout_s=120)
    cause = name.partition("_")[0]
    assert found.attributes["feature_extraction.feature_set"] == cause
    # Beside other work, a computation may have waited for a core longer than it had one.
    assert found.attributes["feature_extraction.bottleneck"] in {cause, *(("cpu_wait",) if cause == "cpu" else ())}
    assert found.attributes["feature_extraction.hotspot"].startswith(f"tests/ray/inside/slow.py:{LINES[name]} ")
    assert found.attributes["feature_extraction.hotspot.time"] >= slow.SLOW_S / 2


@pytest.mark.parametrize("name", CAUSES)
def test_a_task(otlp, name):
    """A task on a worker's main thread is explained."""
    explained(otlp, name, lambda name: ray.get(task.remote(name)))


@pytest.mark.parametrize("name", CAUSES)
def test_a_method_of_an_actor(otlp, name):
    """A method of an actor is watched like a task."""
    explained(otlp, name, lambda name: ray.get(Actor.remote().run.remote(name)))


@pytest.mark.parametrize("name", CAUSES)
def test_a_method_of_an_actor_with_threads(otlp, name):
    """A method on a thread that Python has not made is explained."""
    explained(otlp, name, lambda name: ray.get(Actor.options(max_concurrency=2).remote().run.remote(name)))


@pytest.mark.parametrize("name", IN_LOOPS)
def test_a_coroutine_of_an_actor(otlp, name):
    """A coroutine in a uvloop loop on a thread is explained."""
    explained(otlp, name, lambda name: ray.get(AsyncActor.remote().run.remote(name)))


@pytest.mark.parametrize("name", CAUSES)
def test_a_method_of_a_deployment(otlp, deployment, name):
    """A method in a replica of Ray Serve is explained."""
    explained(otlp, name, lambda name: deployment.run.remote(name).result(timeout_s=200))


@pytest.mark.parametrize("name", IN_LOOPS)
def test_a_coroutine_of_a_deployment(otlp, deployment, name):
    """A coroutine in a replica's loop, which serves other requests meanwhile, is explained."""
    explained(otlp, name, lambda name: deployment.run_in_the_loop.remote(name).result(timeout_s=200))
