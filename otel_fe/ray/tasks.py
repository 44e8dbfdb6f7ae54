"""Passes the trace context into `ray.remote` tasks, as an extra argument of a function exported beside the task's own.

Ray's own hook (`ray.init(_tracing_startup_hook=…)`) does the same for tasks and for every actor, those of Ray's control
plane included; where it is on, otel_fe does nothing. Outside of a trace it does nothing either: the task's own function
is submitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import propagate, trace

from otel_fe import faults
from otel_fe.instrument.patch import Patch
from otel_fe.ray.context_argument import KEY, twin_with_context
from otel_fe.ray.ray_import import ray_module
from otel_fe.ray.request import request_here
from otel_fe.ray.task_span import REQUEST

if TYPE_CHECKING:
    from collections.abc import Callable


def patches() -> list[Patch]:
    """Return what to replace in Ray's remote functions."""
    function = ray_module("ray.remote_function").RemoteFunction
    if not hasattr(function, "_remote"):
        faults.record(
            "ray.submit", AttributeError("RemoteFunction._remote is gone: no task is given the trace context")
        )
    return [Patch(function, "_remote", _submitting)]


def _submitting(original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(remote: Any, args: Any = None, kwargs: Any = None, *more: Any, **options: Any) -> Any:
        try:
            carrier = carrier_here() if _ours() else None
            if carrier is not None and _carries(remote):
                remote, kwargs = twin_with_context(remote), {**(kwargs or {}), KEY: carrier}
        except Exception as fault:
            faults.record("ray.submit", fault)
        return original(remote, args, kwargs, *more, **options)

    return replacement


def _ours() -> bool:
    """Return whether otel_fe carries the context: not if Ray's own hook does, nor in calls of Ray Client (see `client`)."""
    traced = ray_module("ray.util.tracing.tracing_helper")._is_tracing_enabled()
    return not traced and not ray_module("ray._private.client_mode_hook").client_mode_should_convert()


def _carries(remote: Any) -> bool:
    """Return whether it accepts a context: functions of other languages have no argument for it."""
    if not remote._is_cross_language:
        return True
    faults.record(
        "ray.submit.other_language",
        TypeError(f"{remote._function_descriptor!r} is no Python function: its task is in no trace of ours"),
    )
    return False


def carrier_here() -> dict[str, Any] | None:
    """Return the current trace context and request as plain values; None outside of any trace."""
    if not trace.get_current_span().get_span_context().is_valid:
        return None
    carrier: dict[str, Any] = {}
    propagate.inject(carrier)
    request = request_here()
    if request is not None:
        carrier[REQUEST] = (
            request.application,
            request.deployment,
            request.replica,
            request.request_id,
            request.queue_ns,
        )
    return carrier
