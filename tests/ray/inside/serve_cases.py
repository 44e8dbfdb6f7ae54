"""Ray Serve in a driver of its own: requests that share a batch; run by `test_tasks.py`."""

from __future__ import annotations

import pytest
import ray
from ray import serve

from tests.ray.inside.functions import request, start_tracing
from tests.ray.inside.tracing import WORKERS, traced
from tests.ray.starting import start


@pytest.fixture(scope="module")
def batched():
    """Return the handle of a deployment that answers requests in batches."""

    @serve.deployment(num_replicas=1, ray_actor_options={"num_cpus": 0.1})
    class Batched:
        @serve.batch(max_batch_size=2, batch_wait_timeout_s=0.01)
        async def answer(self, numbers):
            return [(request(), await ray.remote(num_cpus=0.1)(request).remote())] * len(numbers)

        async def __call__(self, number):
            return await self.answer(number)

    start_tracing()
    start(num_cpus=2, object_store_memory=100_000_000, runtime_env=WORKERS)
    yield serve.run(Batched.bind(), name="shop", route_prefix=None)
    serve.shutdown()
    ray.shutdown()


def test_a_batch_works_for_no_single_request(batched):
    """A batch is in the trace of its first request, as in Serve, and names its replica; it never has an earlier request's context."""
    for number in range(3):
        with traced() as trace_id:
            batch, task = batched.remote(number).result(timeout_s=200)
        assert batch == task
        replica = batch.pop("ray.serve.replica")
        assert replica
        assert batch == {"trace": trace_id, "ray.serve.application": "shop", "ray.serve.deployment": "Batched"}
