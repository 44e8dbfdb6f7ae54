"""Explains why each feature set of a window is slow: for the first page, `otel-fe explain` and the demo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_fe.dashboard.advice import WindowCauses, causes_of, slow_advice, slow_sample
from otel_fe.pipeline.explanation import Explanation, explain
from otel_fe.requirements import LATENCY_LIMIT_NS
from otel_fe.semconv import CAUSE_DOWNSTREAM
from otel_fe.store import Selection
from otel_fe.units import MINUTE_NS

if TYPE_CHECKING:
    from otel_fe.dashboard.advice import SlowFindings
    from otel_fe.dashboard.page_context import PageContext

_SAMPLE: Final = 500
"""Kept extractions of one feature set; a page explains several."""
_CALLS: Final = 40
"""Slow extractions whose spans are read, for their lines and their calls: some tenths of a millisecond each."""


@dataclass(frozen=True, slots=True)
class FeatureSetReason:
    """The reason for which a feature set of a service is slow, and the advice."""

    service: str
    feature_set: str
    explanation: Explanation
    causes: WindowCauses
    advice: tuple[dict[str, Any], ...]
    """Advice on the causes that cost most, from `advice.slow_advice`; none if nothing is slow."""


def counted_from(since_ns: int) -> int:
    """Return the beginning of the minute that a time lies in: counts are exact to the minute, and belong to its beginning."""
    return since_ns - since_ns % MINUTE_NS


def reason_of(
    stored: PageContext, window: tuple[int, int], group: tuple[str, str], p95_ns: float | None, slow: int
) -> FeatureSetReason:
    """Return why one feature set is slow.

    Args:
        stored: Where its kept traces are.
        window: Unix time in ns, from and until.
        group: Service and feature set.
        p95_ns: Of all its extractions in the window, and
        slow: how many took 100 ms or more: both as counted.

    Raises:
        StoreError: The store cannot be read.
    """
    causes = causes_of(stored, window, *group, sample_size=_SAMPLE)
    ranked = causes.ranked if causes.of_slow else ()
    sample = slow_sample(stored, window, *group, most=_CALLS) if ranked else None
    called = any(one.cause == CAUSE_DOWNSTREAM for one in ranked)
    explanation = explain(
        group[1] or group[0],
        p95_ns,
        ranked,
        lines=None if sample is None else sample.lines,
        call=_call(stored, Selection(*window, *group, min_duration_ns=LATENCY_LIMIT_NS), sample) if called else "",
        slow=slow,
    )
    return FeatureSetReason(*group, explanation, causes, tuple(slow_advice(causes, sample)) if ranked else ())


def _call(stored: PageContext, selection: Selection, sample: SlowFindings | None) -> str:
    """Return what the calls of slow extractions mostly are, and whether an N+1; empty where no one kind of them is most."""
    calls = stored.remembered.get(
        ("calls", selection),
        selection.until_ns - selection.since_ns,
        lambda: stored.reader.call_totals(selection, limit=_CALLS),
    )
    repeated = None if sample is None else sample.n_plus_one
    if calls and repeated is not None and repeated.call.name == calls[0].name:
        return f"{repeated.name} (N+1)"
    return calls[0].name if calls and 2 * calls[0].time_ns > sum(one.time_ns for one in calls) else ""
