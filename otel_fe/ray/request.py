"""The current request of a Ray Serve replica, available to every extraction below it."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import Any, Final

from otel_fe import semconv


class ServeRequest:
    """One request to a deployment, from its turn in the replica to its end."""

    __slots__ = ("application", "deployment", "extraction_ns", "queue_ns", "replica", "request_id")

    def __init__(
        self, application: str, deployment: str, replica: str, request_id: str = "", queue_ns: int | None = None
    ) -> None:
        self.application = application
        self.deployment = deployment
        self.replica = replica
        self.request_id = request_id
        self.queue_ns = queue_ns
        """From its acceptance by the proxy or a handle to its turn; None where that is not known."""
        self.extraction_ns = 0
        """Time of its outermost extractions so far."""

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of the request for an extraction's span."""
        known: dict[str, Any] = {
            semconv.RAY_APPLICATION: self.application,
            semconv.RAY_DEPLOYMENT: self.deployment,
            semconv.RAY_REPLICA: self.replica,
        }
        if self.request_id:
            known[semconv.RAY_REQUEST_ID] = self.request_id
        if self.queue_ns is not None:
            known[semconv.RAY_QUEUE_TIME] = self.queue_ns / 1e9
        return known


current: Final[ContextVar[ServeRequest | None]] = ContextVar("otel_fe-ray-request", default=None)
"""Reaches user code, and the threads that Serve runs it on, as Serve's own request context does."""


def request_here() -> ServeRequest | None:
    """Return the request of this context; in a replica without one, what is the same for all of its requests."""
    found = current.get()
    if found is not None:
        return found
    context: Any = sys.modules.get("ray.serve.context")
    replica = None if context is None else context._get_internal_replica_context()
    if replica is None:
        return None
    return ServeRequest(replica.app_name, replica.deployment, replica.replica_tag)
