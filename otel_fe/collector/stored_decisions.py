"""Reads decision records from the store, which keeps them longer than the collector does."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from otel_fe.store import StoreReader
from otel_fe.store.store_error import StoreError

if TYPE_CHECKING:
    from pathlib import Path


def stored_record(trace_id: int, store: Path) -> dict[str, Any] | None:
    """Return a decision from a store; None where there is none of that trace, or no such store."""
    record = None
    with StoreReader(store) as reader, contextlib.suppress(StoreError):
        record = reader.decisions.of(trace_id)
        if record is None and (trace := reader.traces.by_id(trace_id)) is not None and trace.record:
            record = dict(trace.record)
    return record
