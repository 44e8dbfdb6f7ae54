"""A selection against the rest of its window: where its milliseconds go, and which attributes it has more often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe import semconv
from otel_fe.dashboard.shown_value import is_secret
from otel_fe.pipeline.attribution import CAUSES

if TYPE_CHECKING:
    from otel_fe.store import Selection
    from otel_fe.store.attribute_counts import AttributeCounts
    from otel_fe.store.trace_totals import SelectionTotals

NAMES: Final = {
    "cache_miss": "Cache miss",
    "pool_wait": "Pool wait",
    "cpu": "CPU",
    "gpu": "GPU",
    "downstream": "Downstream",
    "gc": "Garbage collection",
    "gil": "GIL",
    "cpu_throttled": "CPU quota",
    "cpu_wait": "Waiting for a core",
    "page_faults": "Page faults",
    "disk": "Disk",
    "lock": "Lock",
    "sleep": "Sleep",
    "import": "Import",
    "subprocess": "Subprocess",
    "native_threads": "Native threads",
    "event_loop": "Event loop held",
    "unexplained": "Unexplained",
}
_MOST_ATTRIBUTES: Final = 12
_WORTH: Final = 0.05
"""A smaller difference of shares is left out."""


@dataclass(frozen=True, slots=True)
class CauseCompared:
    """One cause, in the mean extraction of each side, by weight."""

    cause: str
    name: str
    selected_ns: float
    rest_ns: float
    difference_ns: float
    share_of_difference: float
    """0..1 of `SelectionAndRest.longer_ns`; 0 where this cause takes less of it."""


@dataclass(frozen=True, slots=True)
class SelectionAndRest:
    """Both sides."""

    selected_count: int
    selected_weight: float
    rest_weight: float
    selected_mean_ns: float
    rest_mean_ns: float | None
    """None where there is no rest: then there is nothing to compare with."""
    causes: tuple[CauseCompared, ...]
    """The one that explains most of the difference first."""
    longer_ns: float
    """The sum of the causes that take more time in the selection."""
    shorter_ns: float
    """The sum of those that take less: `longer_ns - shorter_ns` is the difference of the means."""

    @property
    def main(self) -> CauseCompared | None:
        """The cause that explains most; None without a difference."""
        first = self.causes[0] if self.causes else None
        return first if first is not None and first.difference_ns > 0 else None


@dataclass(frozen=True, slots=True)
class AttributeCompared:
    """A value that the selection has more often than the rest; shares are 0..1, by weight."""

    attribute: str
    value: str
    selected_share: float
    rest_share: float


def compare(selected: SelectionTotals, everything: SelectionTotals) -> SelectionAndRest:
    """Return a selection against the rest, given what both add up to."""
    weight = selected.weight
    other = max(0.0, everything.weight - weight) if everything.extractions > selected.extractions else 0.0
    causes = []
    for cause in CAUSES:
        mine = selected.split_ns.get(cause, 0.0) / weight if weight else 0.0
        rest = (everything.split_ns.get(cause, 0.0) - selected.split_ns.get(cause, 0.0)) / other if other else 0.0
        causes.append((cause, mine, max(0.0, rest)))
    longer = sum(max(0.0, mine - rest) for _, mine, rest in causes)
    shorter = sum(max(0.0, rest - mine) for _, mine, rest in causes)
    rows = [
        CauseCompared(cause, NAMES[cause], mine, rest, mine - rest, max(0.0, mine - rest) / longer if longer else 0.0)
        for cause, mine, rest in causes
        if mine or rest
    ]
    return SelectionAndRest(
        selected.extractions,
        weight,
        other,
        selected.duration_ns / weight if weight else 0.0,
        max(0.0, everything.duration_ns - selected.duration_ns) / other if other else None,
        tuple(sorted(rows, key=lambda row: -row.difference_ns)),
        longer,
        shorter,
    )


def restated_by(selection: Selection) -> frozenset[str]:
    """Return the attributes that only restate the selection, and so explain nothing."""
    # The causes have a table of their own, and only slow extractions have these.
    found = {semconv.BOTTLENECK, semconv.BOTTLENECK_TIME, semconv.HOTSPOT, semconv.SLO_BREACHED}
    if selection.cache_hit is not None:
        found |= {semconv.CACHE_HIT, semconv.CACHE_HITS}
    if selection.feature_set is not None:
        found |= {semconv.FEATURE_SET}
    if selection.service is not None:
        found |= {semconv.SERVICE_NAME}
    return frozenset(found)


def compare_attributes(
    selected: AttributeCounts, everything: AttributeCounts, part: float, restated: frozenset[str] = frozenset()
) -> tuple[AttributeCompared, ...]:
    """Return the values that a selection has more often than the rest, the most telling first, by samples.

    Args:
        selected: A sample of the selection.
        everything: A sample of its whole window.
        part: The selection's share of the window, 0..1, by weight.
        restated: Attributes to leave out: see `restated_by`.
    """
    if not selected.weight or not everything.weight or part >= 1:
        return ()
    found = []
    for attribute, values in selected.values.items():
        if is_secret(attribute) or attribute in restated:
            continue
        known = everything.values.get(attribute, {})
        for value, weight in values.items():
            mine, whole = weight / selected.weight, known.get(value, 0.0) / everything.weight
            rest = min(1.0, max(0.0, (whole - part * mine) / (1 - part)))
            if mine - rest >= _WORTH:
                text = str(value).lower() if isinstance(value, bool) else str(value)
                found.append(AttributeCompared(attribute, text, mine, rest))
    found.sort(key=lambda one: (one.rest_share - one.selected_share, one.attribute, one.value))
    return tuple(found[:_MOST_ATTRIBUTES])
