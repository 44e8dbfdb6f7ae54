"""A store that has been written to for a week: kept traces of several services, and the series of all their extractions.

Made without chance, by the store's own writer, on a clock of its own: `fill` gives the same rows for the same end and count.
"""

from __future__ import annotations

import random
from itertools import count
from typing import TYPE_CHECKING

from otel_fe.store import Store, StoreLimits
from otel_fe.testing import FakeClock
from tests.bench.week_metrics import HOUR_NS, MINUTE_NS, metrics_of
from tests.bench.week_traces import MS, NS, kept_trace, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAYS = 7
TRACES = 200_000
_FINE_NS = 48 * HOUR_NS
"""As long as the store keeps minutes: what is older is counted by ten minutes, of which it would not keep more."""
_RECORDS = 100_000


def fill(directory: Path, end_ns: int, traces: int = TRACES, days: int = DAYS) -> None:
    """Write so many days that end at a Unix time, with so many kept traces in them.

    Raises:
        RuntimeError: The store has lost something.
    """
    hours = days * 24
    begin = end_ns - hours * HOUR_NS
    clock = FakeClock(begin)
    draw = random.Random(8)
    numbers = count(draw.getrandbits(127))
    # Nothing may be lost: what an hour brings has to fit in the queue.
    limits = StoreLimits(max_queued_items=100_000, max_queued_bytes=1 << 30)
    with Store(directory, limits, clock) as store:
        for hour in range(hours):
            start = begin + hour * HOUR_NS
            clock.advance(ns=HOUR_NS)
            fine = start >= end_ns - _FINE_NS
            for step in _steps(start, MINUTE_NS if fine else 10 * MINUTE_NS):
                store.add_metrics(metrics_of(draw, *step))
            for number in range(traces * hour // hours, traces * (hour + 1) // hours):
                store.add_trace(kept_trace(draw, next(numbers), number, start + draw.randrange(HOUR_NS - NS)))
            if not store.flush(300):
                raise RuntimeError("the store did not write an hour in five minutes")
        for number in range(_RECORDS):
            trace_id = next(numbers)
            store.add_record(record(trace_id, 20 * MS, end_ns - (_RECORDS - number) * MS, None))
            if number % 10_000 == 0:
                store.flush(300)
        store.flush(300)
        if store.counters.lost:
            raise RuntimeError(f"the store lost {store.counters.lost}")


def _steps(start_ns: int, step_ns: int) -> Iterator[tuple[int, int]]:
    for at in range(start_ns, start_ns + HOUR_NS, step_ns):
        yield at, step_ns
