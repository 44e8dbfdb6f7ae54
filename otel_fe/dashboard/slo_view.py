"""The page of objectives: the remaining budget of each, its burn rate, its end, and the traces that spent it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from otel_fe import formatting
from otel_fe.dashboard.charts import line_chart
from otel_fe.dashboard.comparison import NAMES
from otel_fe.dashboard.sorting import headings, sorted_rows
from otel_fe.model.time_windows import show_span
from otel_fe.pipeline.budget import project, remaining
from otel_fe.pipeline.causes import rank
from otel_fe.pipeline.counted_events import CountedEvents
from otel_fe.requirements import LATENCY_LIMIT_NS
from otel_fe.store import Selection

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.changes import Mark
    from otel_fe.dashboard.page_context import PageContext
    from otel_fe.dashboard.view_address import ViewAddress
    from otel_fe.pipeline.slo_engine import SloState

_POINTS: Final = 48
_HITS: Final = 500
"""Kept extractions that hit, to compare those that missed with."""
_SPENT_BY: Final = {
    "latency": {"low": f"{LATENCY_LIMIT_NS / 1e6:.6f}"},
    "error_rate": {"error": "yes"},
    "cache_hit_rate": {"cache_hit": "no"},
}
"""The selection of the kept traces that spent a budget, by SLO, as parameters of a page's address."""
_BAD: Final[dict[str, dict[str, Any]]] = {
    "latency": {"min_duration_ns": LATENCY_LIMIT_NS},
    "error_rate": {"error": True},
    "cache_hit_rate": {"cache_hit": False},
}
"""The same traces as fields of a `Selection`."""
COLUMNS: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "slo": lambda row: row["slo"],
    "service": lambda row: row["service"],
    "feature_set": lambda row: row["feature_set"],
    "good": lambda row: row["good_ratio"],
    "left": lambda row: row["remaining"],
    "firing": lambda row: len(row["firing"]),
}
"""The columns by which the table can be sorted; by default the most urgent comes first."""


def slo_view(stored: PageContext, address: ViewAddress) -> dict[str, Any]:
    """Return every SLO in every group, and one of them in full.

    Raises:
        StoreError: The store cannot be read; `StoreMissingError` as long as nothing was stored.
    """
    states = [
        state
        for state in stored.slo_states()
        if address.service in ("", state.group.service) and address.feature_set in ("", state.group.feature_set)
    ]
    chosen: SloState | None = next((one for one in states if one.slo.name == address.slo), None)
    shown = {} if chosen is None else {"marks": _marks(stored, chosen)}
    return {
        **shown,
        "states": sorted_rows([_row(stored, one) for one in sorted(states, key=_urgency)], COLUMNS, address.sort),
        "headings": headings(address, "/slo", COLUMNS, "objectives"),
        "chosen": None if chosen is None else _in_full(stored, chosen),
    }


def _marks(stored: PageContext, state: SloState) -> list[Mark]:
    since_ns = state.slo.window.begin_ns(state.time_ns)
    return stored.reader.marks.find(since_ns, state.time_ns, state.group.service)


def _urgency(state: SloState) -> tuple[bool, float]:
    left = state.remaining
    return not any(one.true for one in state.alerts), 2.0 if left is None else float(left)


def _row(stored: PageContext, state: SloState) -> dict[str, Any]:
    left, counts = state.remaining, state.counts
    return {
        "slo": state.slo.name,
        "service": state.group.service,
        "feature_set": state.group.feature_set,
        "objective": float(state.slo.objective),
        "strict": state.slo.strict,
        "window": str(state.slo.window),
        "good_ratio": 1 - counts.bad / counts.total if counts.total else None,
        "bad": counts.bad,
        "total": counts.total,
        "met": state.met,
        "remaining": None if left is None else float(left),
        "firing": [one.alert.severity for one in state.alerts if one.true],
        "short": _short(stored, state),
    }


def _short(stored: PageContext, state: SloState) -> bool:
    """Return whether counting began after the window did."""
    first = stored.reader.sums.first_ns()
    return first is None or first > state.slo.window.begin_ns(state.time_ns)


def _in_full(stored: PageContext, state: SloState) -> dict[str, Any]:
    events = CountedEvents(stored.reader.sums, state.group)
    projection = project(state.slo, events, state.time_ns).get(state.group)
    points = _course(stored, state, events)
    since = points[0][0] if points else state.slo.window.begin_ns(state.time_ns)
    values = [value for _, value in points]
    least = max(-2.0, math.floor(2 * min([0.0, *values])) / 2)
    spent = _SPENT_BY.get(state.slo.name)
    return {
        **_row(stored, state),
        "title": state.slo.title or state.slo.description,
        "alerts": [
            {
                "severity": one.alert.severity,
                "name": one.alert.name,
                "windows": [show_span(window) for window in one.alert.windows],
                "rate": None if one.rate is None else float(one.rate),
                "surely": one.rate_at_least,
                "fires_at": state.slo.describe(one.alert),
                "true": one.true,
                "words": one.describe(),
            }
            for one in state.alerts
        ],
        "projection": projection,
        "points": points,
        "chart": line_chart(
            points,
            (since, state.time_ns + 1),
            formatting.percent,
            step_ns=max(1, (state.time_ns - since) // max(1, len(points) - 1)),
            most=1.0,
            least=least,
            marks=(least, 0.0, 1.0) if least else (0.0, 0.5, 1.0),
            limit=0.0,
            width=900,
            height=180,
        ),
        "spent_by": spent,
        "causes": _causes(stored, state) if spent else None,
    }


def _course(stored: PageContext, state: SloState, events: CountedEvents) -> list[tuple[int, float]]:
    """Return what was left of the budget at moments since counting began: each of the window that ended then."""
    slo, now = state.slo, state.time_ns
    first = max(stored.reader.sums.first_ns() or now, slo.window.begin_ns(now))
    found = []
    for number in range(1, _POINTS + 1):
        at = first + (now - first) * number // _POINTS
        counts = events.events(slo.indicator, slo.window.begin_ns(at), at).get(state.group)
        left = None if counts is None else remaining(slo, counts)
        if left is not None:
            found.append((at, float(left)))
    return found


def _causes(stored: PageContext, state: SloState) -> list[dict[str, Any]]:
    """Return where the time of the kept traces that spent the budget went."""
    bad = _BAD[state.slo.name]
    begin = state.slo.window.begin_ns(state.time_ns)
    whole = Selection(begin, state.time_ns + 1, state.group.service, state.group.feature_set)
    group = stored.reader.totals.explained(replace(whole, **bad), limit=2_000)
    hits = stored.reader.totals.explained(replace(whole, cache_hit=True), limit=_HITS)
    return [{"name": NAMES[one.cause], "share": one.share, "cause": one.cause} for one in rank(group, hits=hits).ranked]
