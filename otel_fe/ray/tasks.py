"""The trace context goes into `ray.remote` tasks, as one more argument that only our wrapper of the task sees.

Ray has a hook of its own (`ray.init(_tracing_startup_hook=…)`) that does the same for tasks and for every actor, those of
Ray's own control plane included; where it is on, nothing is done here. The wrapper travels with the pickled function, so the
argument is only given to functions that were exported with it.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import propagate, trace

from otel_fe.instrument import faults
from otel_fe.instrument.patch import Patch
from otel_fe.ray.extra import ray_module
from otel_fe.ray.request import current
from otel_fe.ray.task_span import REQUEST, run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEY: Final = "_otel_fe_context"
"""The argument's name."""


def patches() -> list[Patch]:
    """Return what to replace in Ray's remote functions."""
    remote_function = ray_module("ray.remote_function")
    return [
        Patch(remote_function.RemoteFunction, "_remote", _submitting),
        Patch(remote_function, "_inject_tracing_into_function", _exporting),
    ]


def _exporting(original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            traced = ray_module("ray.util.tracing.tracing_helper")._is_tracing_enabled()
            ours = function if traced else carried(function)
        except Exception as fault:
            faults.record("ray.export", fault)
            ours = function
        exported: Callable[..., Any] = original(ours)  # which does nothing where Ray's own tracing is off
        return exported

    return replacement


def carried(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that takes the context beside its own arguments, and runs in it."""
    signature = inspect.signature(function)
    if KEY in signature.parameters:
        return function
    ours = inspect.Parameter(KEY, inspect.Parameter.KEYWORD_ONLY, default=None)
    own = list(signature.parameters.values())
    at = len(own) - 1 if own and own[-1].kind is inspect.Parameter.VAR_KEYWORD else len(own)

    @functools.wraps(function)
    def task(*args: Any, _otel_fe_context: Mapping[str, Any] | None = None, **kwargs: Any) -> Any:
        return run(function, _otel_fe_context, args, kwargs)

    task.__signature__ = signature.replace(parameters=[*own[:at], ours, *own[at:]])  # type: ignore[attr-defined]
    return task


def _submitting(original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(self: Any, *args: Any, **options: Any) -> Any:
        try:
            carrier = carrier_here() if "kwargs" in options and _takes_context(self) else None
            if carrier is not None:
                options = {**options, "kwargs": {**(options["kwargs"] or {}), KEY: carrier}}
        except Exception as fault:
            faults.record("ray.submit", fault)
        return original(self, *args, **options)

    return replacement


def _takes_context(remote: Any) -> bool:
    """Whether the function is exported with our wrapper, or will be by this call."""
    if remote._is_cross_language or ray_module("ray._private.client_mode_hook").client_mode_should_convert():
        return False
    with remote._inject_lock:
        if remote._function_signature is None:  # Ray does this at the first call, and we must know how it ends
            remote._function = ray_module("ray.remote_function")._inject_tracing_into_function(remote._function)
            remote._function_signature = ray_module("ray._common.signature").extract_signature(remote._function)
    return any(parameter.name == KEY for parameter in remote._function_signature)


def carrier_here() -> dict[str, Any] | None:
    """Return the current trace context and request as plain values; None outside of any trace."""
    if not trace.get_current_span().get_span_context().is_valid:
        return None
    carrier: dict[str, Any] = {}
    propagate.inject(carrier)
    request = current.get()
    if request is not None:
        carrier[REQUEST] = (
            request.application,
            request.deployment,
            request.replica,
            request.request_id,
            request.queue_ns,
        )
    return carrier
