"""Instruments Ray Serve: its own spans go to our providers, and each request is tracked from acceptance to end.

Serve has traced itself since 2.55: proxy, router and replica each make a span and hand its context on, through the headers
of HTTP and the metadata of handle calls. It is off by default and sets up a provider of its own; here it is switched on with the
provider that is there. What a user has configured (`TracingConfig`, `RAY_SERVE_TRACING_EXPORTER_IMPORT_PATH`) stays in force.

What Serve does not tell is how long a request waited. So its metadata note when they were made, by the proxy or by a handle,
and the replica reads that when the request's turn has come.
"""

from __future__ import annotations

import asyncio
from time import time_ns
from typing import TYPE_CHECKING, Any, Final

from otel_fe import faults
from otel_fe.instrument.patch import Patch
from otel_fe.ray.request import ServeRequest, current

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from otel_fe.instrument.imports import ImportHooks
    from otel_fe.ray.requests_seen import RequestsSeen

_FLUSH_S: Final = 5.0
_ACCEPTED: Final = "_otel_fe_accepted_ns"


class Serving:
    """The functions that are replaced in Ray Serve.

    Args:
        seen: Gets every request that ends.
        flush: Exports what is finished; called before a replica is stopped, since Ray then ends it by force.
    """

    def __init__(self, seen: RequestsSeen, flush: Callable[[], None]) -> None:
        self._seen = seen
        self._flush = flush
        self._patches: list[Patch] = []
        self._enabled: Any = None

    def instrument(self, hooks: ImportHooks) -> None:
        """Replace each part, now or when Serve is imported."""
        hooks.on_import("ray.serve._private.tracing_utils", self._trace)
        hooks.on_import("ray.serve._private.common", self._stamp)
        hooks.on_import("ray.serve._private.replica", self._watch)
        hooks.on_import("ray.serve.context", self._forget)

    def uninstrument(self) -> None:
        """Put everything back."""
        while self._patches:
            self._patches.pop().remove()
        if self._enabled is not None:
            self._enabled._tracing_enabled = False
            self._enabled = None

    def _trace(self, tracing: ModuleType) -> None:
        module: Any = tracing
        if getattr(module, "trace", None) is None or not hasattr(module, "_tracing_enabled"):
            return
        if not module._tracing_enabled:
            module._tracing_enabled = True
            self._enabled = module
        self._apply(Patch(module, "setup_tracing", _setting_up))

    def _stamp(self, common: ModuleType) -> None:
        module: Any = common
        self._apply(Patch(module.RequestMetadata, "__init__", _stamping))

    def _watch(self, replica: ModuleType) -> None:
        module: Any = replica
        self._apply(Patch(module.Replica, "_start_request", self._starting))
        self._apply(Patch(module.Replica, "perform_graceful_shutdown", self._stopping))

    def _forget(self, context: ModuleType) -> None:
        self._apply(Patch(context, "_unset_request_context", _forgetting))

    def _apply(self, patch: Patch) -> None:
        patch.apply()
        self._patches.append(patch)

    def _starting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def replacement(replica: Any, metadata: Any) -> _Turn:
            return _Turn(original(replica, metadata), replica, metadata, self._seen)

        return replacement

    def _stopping(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def replacement(replica: Any) -> Any:
            stopped = await original(replica)
            try:
                await asyncio.wait_for(asyncio.to_thread(self._flush), _FLUSH_S)
            except Exception as fault:
                faults.record("ray.serve.flush", fault)
            return stopped

        return replacement


def _setting_up(original: Callable[..., Any]) -> Callable[..., Any]:
    """Answer a component of Serve that it is traced, unless the user has configured otherwise."""

    def replacement(*args: Any, **kwargs: Any) -> Any:
        config = kwargs.get("tracing_config")
        if config is not None or original.__globals__["RAY_SERVE_TRACING_EXPORTER_IMPORT_PATH"]:
            return original(*args, **kwargs)
        return True

    return replacement


def _stamping(original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        try:
            setattr(self, _ACCEPTED, time_ns())
        except Exception as fault:
            faults.record("ray.serve.accepted", fault)

    return replacement


def _forgetting(original: Callable[..., Any]) -> Callable[..., Any]:
    """Batches (`@serve.batch`) are made by a task that the first request begins, and that belongs to none of them."""

    def replacement() -> None:
        original()
        current.set(None)

    return replacement


class _Turn:
    """A request's turn in a replica: Serve's own block, with the request noted in the context inside it."""

    __slots__ = ("_began_ns", "_inner", "_metadata", "_replica", "_request", "_seen")

    def __init__(self, inner: Any, replica: Any, metadata: Any, seen: RequestsSeen) -> None:
        self._inner = inner
        self._replica = replica
        self._metadata = metadata
        self._seen = seen
        self._request: ServeRequest | None = None
        self._began_ns = 0

    async def __aenter__(self) -> Any:
        entered = await self._inner.__aenter__()
        try:
            self._begin()
        except Exception as fault:
            faults.record("ray.serve.begin", fault)
        return entered

    async def __aexit__(self, *error: object) -> Any:
        try:
            if self._request is not None:
                self._seen.add(self._request, time_ns() - self._began_ns)
        except Exception as fault:
            faults.record("ray.serve.end", fault)
        return await self._inner.__aexit__(*error)

    def _begin(self) -> None:
        self._began_ns = time_ns()
        accepted_ns = getattr(self._metadata, _ACCEPTED, None)
        # Another node's clock may be ahead of ours.
        queue_ns = None if accepted_ns is None else max(0, self._began_ns - accepted_ns)
        deployment = self._replica._deployment_id
        self._request = ServeRequest(
            deployment.app_name,
            deployment.name,
            self._replica._replica_id.unique_id,
            self._metadata.request_id,
            queue_ns,
        )
        current.set(self._request)  # of this request's own task; it ends with it
