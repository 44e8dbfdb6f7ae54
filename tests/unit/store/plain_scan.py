"""The reference for what the store has added up: every question answered by looking at every row, plainly."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from otel_fe.store.latency import bucket_of
from otel_fe.store.slots import SPLIT_CAUSES

_COLUMNS = "trace, start_ns, duration_ns, weight, service, feature_set, error, cache_hit, cause, policy"


@dataclass(frozen=True)
class Row:
    """One row of the table of extractions."""

    trace: int
    start_ns: int
    duration_ns: int
    weight: float
    service: str
    feature_set: str | None
    error: bool
    cache_hit: bool | None
    cause: str | None
    policy: str
    split: tuple[int, ...]


class PlainScan:
    """All rows of a store at one moment."""

    def __init__(self, connection):
        names = dict(connection.execute("SELECT id, text FROM name"))
        split = ", ".join(f"coalesce(in_{cause}, 0)" for cause in SPLIT_CAUSES)
        self.rows = [
            Row(
                trace,
                start,
                duration,
                1.0 if weight is None else weight,
                names[service],
                None if feature_set is None else names[feature_set],
                bool(error),
                None if hit is None else bool(hit),
                None if cause is None else names[cause],
                names[policy],
                tuple(parts),
            )
            for trace, start, duration, weight, service, feature_set, error, hit, cause, policy, *parts in connection.execute(
                f"SELECT {_COLUMNS}, {split} FROM extraction"
            )
        ]

    def selected(self, selection):
        """Return the rows of a selection."""
        wanted = {
            name: value
            for name in ("service", "feature_set", "error", "cache_hit", "cause", "policy")
            if (value := getattr(selection, name)) is not None
        }
        low, high = selection.min_duration_ns, selection.max_duration_ns
        return [
            row
            for row in self.rows
            if max(0, selection.since_ns) <= row.start_ns < selection.until_ns
            and all(getattr(row, name) == value for name, value in wanted.items())
            and (low is None or row.duration_ns >= low)
            and (high is None or row.duration_ns < high)
            and (selection.whole_traces or row.feature_set is not None)
        ]

    def totals(self, selection):
        """Return count, weight, duration and the split of it, by weight."""
        rows = self.selected(selection)
        splits = [sum(row.weight * row.split[number] for row in rows) for number in range(len(SPLIT_CAUSES))]
        return len(rows), sum(row.weight for row in rows), sum(row.weight * row.duration_ns for row in rows), splits

    def heat(self, selection, step_ns):
        """Return count and weight by the beginning of a column and the number of a bucket."""
        counts, weights = Counter(), Counter()
        for row in self.selected(selection):
            cell = row.start_ns // step_ns * step_ns, bucket_of(row.duration_ns)
            counts[cell] += 1
            weights[cell] += row.weight
        return {cell: (counts[cell], weights[cell]) for cell in counts}

    def by_policy(self, selection):
        """Return count and weight by policy."""
        counts, weights = Counter(), Counter()
        for row in self.selected(selection):
            counts[row.policy] += 1
            weights[row.policy] += row.weight
        return {policy: (counts[policy], weights[policy]) for policy in counts}

    def groups(self, since_ns):
        """Return services and feature sets of what began since a time, to ten minutes."""
        since = since_ns // 600_000_000_000 * 600_000_000_000
        return sorted(
            {
                (row.service, row.feature_set)
                for row in self.rows
                if row.start_ns >= since and row.feature_set is not None
            }
        )
