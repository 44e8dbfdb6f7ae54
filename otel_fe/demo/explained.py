"""The demo's sentences: of each slow feature set, what the dashboard and `otel-fe explain` say of it, out of the demo's store."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from otel_fe.dashboard.page_context import PageContext
from otel_fe.dashboard.reasons import reason_of
from otel_fe.store import StoreReader
from otel_fe.store.store_error import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from otel_fe.demo.report import DemoReport
    from otel_fe.demo.slow_feature_sets import SlowFeatureSet


def explained(report: DemoReport, store: Path, service: str, window_ns: tuple[int, int]) -> DemoReport:
    """Return a report whose slow feature sets have the sentences of the store; their own where the store has none.

    Args:
        report: What was found in what was received.
        store: Folder of the store, which is complete.
        service: The service's name.
        window_ns: Unix time of the load, from and until.
    """
    p95_ns = {
        row.feature_set: row.p95_ms * 1e6 for row in reversed(report.latencies)
    }  # that of all cache states is first
    with StoreReader(store) as reader:
        stored = PageContext(reader, store)

        def said(one: SlowFeatureSet) -> SlowFeatureSet:
            with contextlib.suppress(StoreError):
                group = service, one.feature_set
                found = reason_of(stored, window_ns, group, p95_ns.get(one.feature_set), one.slow).explanation
                if found.cause:
                    return replace(one, line=found.line or one.line, sentence=str(found))
            return one

        return replace(report, slow_feature_sets=[said(one) for one in report.slow_feature_sets])
