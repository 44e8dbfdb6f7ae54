"""Converts statistics that a monitor has summed: counts are exact, durations approximated from its percentiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.live.extraction_totals import ExtractionTotals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.live.application_metrics import MonitorSums

_OTHER: Final = "_OTHER"


def tally_of(sums: MonitorSums, before: MonitorSums | None, limits_ns: Sequence[int]) -> ExtractionTotals:
    """Return what was added since the statistics before.

    A total that has shrunk is that of a new monitor, and counts from zero. Each duration is taken to be the next higher
    percentile that is reported, so that percentiles come out within the bucket that they went in by; the sum is that of
    the averages.

    Args:
        sums: The statistics now.
        before: The last ones of the same monitor.
        limits_ns: Of the tally.
    """
    if before is not None and before.total > sums.total:
        before = None
    total, errors, hits, lookups, time_ms = (
        sums.total,
        sums.errors,
        sums.hits,
        sums.lookups,
        sums.average_ms * sums.total,
    )
    if before is not None:
        total -= before.total
        errors = min(total, max(0, errors - before.errors))
        lookups = min(total, max(0, lookups - before.lookups))
        hits = min(lookups, max(0, hits - before.hits))
        time_ms = max(0.0, time_ms - before.average_ms * before.total)
    tally = ExtractionTotals(limits_ns)
    if not total:
        return tally
    tally.count = total
    if errors:
        tally.count_errors(_OTHER, errors)
    tally.looked_up, tally.all_hit = lookups, hits
    _spread(tally, sums, total)
    tally.duration.total = tally.cpu_of_ns = round(time_ms * 1e6)
    tally.cpu_ns = round(tally.cpu_of_ns * sums.cpu_percent / 100)
    tally.memory_most = round(sums.memory_mb * 1e6)
    return tally


def _spread(tally: ExtractionTotals, sums: MonitorSums, total: int) -> None:
    """Lay `total` durations out over the percentiles."""
    done = 0
    for share, duration_ms in sums.quantiles_ms or ((1.0, sums.average_ms),):
        upto = total if share >= 1 else int(share * total + 0.5)
        times = upto - done
        if times <= 0:
            continue
        done = upto
        duration_ns = round(duration_ms * 1e6)
        tally.duration.record_times(duration_ns, times)
        for index, limit in enumerate(tally.limits_ns):
            tally.reached[index] += times * (duration_ns >= limit)
    if done < total:
        tally.duration.record_times(round(sums.average_ms * 1e6), total - done)
