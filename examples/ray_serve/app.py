"""`GET /?user=7`: a front, two replicas that extract features, and a task for each of them."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import features
import ray
from ray import serve

if TYPE_CHECKING:
    from starlette.requests import Request


@ray.remote(num_cpus=0.1)
def embed(text: str) -> list[float]:
    """Compute an embedding elsewhere in the cluster."""
    return features.embedding(text)


@serve.deployment(num_replicas=2, max_ongoing_requests=1, ray_actor_options={"num_cpus": 0.1})
class Profiles:
    """Extracts features of users, one at a time in each replica."""

    def __init__(self) -> None:
        self._features = features.UserFeatures()

    async def features(self, user: int) -> dict[str, object]:
        """Return a user's features and the embedding of the name."""
        profile = self._features.extract(user)
        return {**profile, "embedding": await embed.remote(str(profile["name"]))}


@serve.deployment(max_ongoing_requests=100, ray_actor_options={"num_cpus": 0.1})
class Front:
    """Answers over HTTP."""

    def __init__(self, profiles: serve.handle.DeploymentHandle) -> None:
        self._profiles = profiles

    async def __call__(self, request: Request) -> dict[str, object]:
        """Serve one request."""
        answer: dict[str, object] = await self._profiles.features.remote(int(request.query_params["user"]))
        return answer


application = Front.bind(Profiles.bind())


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    ray.init(num_cpus=2, runtime_env={"worker_process_setup_hook": "otel_fe.ray_integration.setup_worker"})
    serve.run(application)
    print("serving on 127.0.0.1:8000", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
