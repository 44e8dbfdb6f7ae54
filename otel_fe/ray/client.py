"""Ray Client (`ray.init("ray://…")`), which has its own class of remote functions, whose calls a server submits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_fe import faults
from otel_fe.instrument.patch import Patch
from otel_fe.ray.context_argument import KEY, cached_twin, taking_context
from otel_fe.ray.ray_import import ray_module
from otel_fe.ray.tasks import carrier_here

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from otel_fe.instrument.imports import ImportHooks


class Client:
    """The functions that are replaced in Ray Client."""

    def __init__(self) -> None:
        self._patch: Patch | None = None

    def instrument(self, hooks: ImportHooks) -> None:
        """Replace the functions now, or when Ray Client is imported: few processes are clients."""
        hooks.on_import("ray.util.client.worker", self._apply)

    def uninstrument(self) -> None:
        """Put everything back."""
        if self._patch is not None:
            self._patch.remove()
            self._patch = None

    def _apply(self, module: ModuleType) -> None:
        client: Any = module
        self._patch = Patch(client.Worker, "call_remote", _calling)
        self._patch.apply()


def _calling(original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(worker: Any, called: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            carrier = carrier_here()
            ours = None if carrier is None else _twin_with_context(called)
            if ours is not None:
                called, kwargs = ours, {**kwargs, KEY: carrier}
        except Exception as fault:
            faults.record("ray.client.submit", fault)
        return original(worker, called, *args, **kwargs)

    return replacement


def _twin_with_context(called: Any) -> Any:
    """Return the twin that takes the context, for a function or one with options; None for a method of an actor."""
    common = ray_module("ray.util.client.common")
    if isinstance(called, common.ClientRemoteFunc):
        return cached_twin(called, called._lock, _twin_of)
    function = vars(called).get("_remote_stub")
    if not isinstance(function, common.ClientRemoteFunc):
        return None
    made = object.__new__(type(called))
    vars(made).update(vars(called), _remote_stub=_twin_with_context(function))
    return made


def _twin_of(function: Any) -> Any:
    return type(function)(taking_context(function._func), function._options)
