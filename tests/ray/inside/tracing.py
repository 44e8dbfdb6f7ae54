"""A driver of a case: instrumented for a while, and in a trace."""

from __future__ import annotations

from contextlib import contextmanager

from opentelemetry import trace

from otel_fe import faults
from otel_fe.ray.worker import join, leave

WORKERS = {
    "worker_process_setup_hook": "otel_fe.ray_integration.setup_worker",
    "env_vars": {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")},
}
"""The runtime environment of instrumented workers."""
OUTSIDE = [None, None]
"""The result of `functions.here` outside of a trace."""


@contextmanager
def instrumented():
    """Join this driver to Ray; nothing of ours may have failed."""
    faults.reset()
    join()
    try:
        yield
        assert faults.counts() == {}
    finally:
        leave()


@contextmanager
def traced():
    """Be instrumented, and in a span; give the trace's id."""
    with instrumented(), trace.get_tracer("tests").start_as_current_span("root") as span:
        yield format(span.get_span_context().trace_id, "032x")
