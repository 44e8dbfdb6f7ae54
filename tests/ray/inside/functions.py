"""Functions that the cases of `task_cases` run as tasks. Workers import it, so that functions can be pickled by name."""

from __future__ import annotations

import functools
import threading

import ray
from opentelemetry import trace

from otel_fe.ray.request import request_here


def here():
    """Return where this runs: the trace's id, and the name of the innermost span, None outside of any."""
    span = trace.get_current_span()
    context = span.get_span_context()
    return [format(context.trace_id, "032x"), getattr(span, "name", None)] if context.is_valid else [None, None]


def request():
    """Return what an extraction here says of its request, and the trace's id."""
    return {**request_here().attributes(), "trace": here()[0]}


def with_a_lock(_number: int = 1, _lock: threading.Lock = threading.Lock()):  # noqa: B008 what no pickle can hold
    """Can be pickled by name only."""
    return here()


def decorated(function):
    """Return a function that does not look like the generator function that it is."""

    @functools.wraps(function)
    def call(*args):
        return function(*args)

    return call


@ray.remote
def of_a_module():
    """Is of a module that workers find on their own disk."""
    return here()


def start_tracing():
    """Do what a cluster's `_tracing_startup_hook` is for."""
    from opentelemetry.sdk.trace import TracerProvider

    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider())
