"""Flushing all of the SDK's providers at once."""

from __future__ import annotations

from typing import Any

from opentelemetry import metrics, trace
from opentelemetry._logs import get_logger_provider

from otel_fe.instrument import faults


def flush_providers(*more: object) -> None:
    """Force the given providers, and the global ones, to export what they hold: traces, then metrics, then logs."""
    for provider in dict.fromkeys(
        (*more, trace.get_tracer_provider(), metrics.get_meter_provider(), get_logger_provider())
    ):
        flush: Any = getattr(provider, "force_flush", None)
        if flush is None:
            continue
        try:
            flush()
        except Exception as fault:
            faults.record("flush.provider", fault)
