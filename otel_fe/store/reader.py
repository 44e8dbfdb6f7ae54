"""`StoreReader`, the reading side of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.store.attribute_counts import attribute_counts
from otel_fe.store.covered_time import latest_extent
from otel_fe.store.decision_ring import Decisions
from otel_fe.store.downstream_calls import call_totals
from otel_fe.store.drilldown import drilldown
from otel_fe.store.kept_points import kept_points
from otel_fe.store.marks import StoredMarks
from otel_fe.store.newest_traces import newest
from otel_fe.store.observed import observed
from otel_fe.store.read_connections import ReadConnections
from otel_fe.store.search import search_traces, trace_ids_from
from otel_fe.store.series import StoredSeries
from otel_fe.store.slow_extractions import slow_extractions, slow_extractions_of
from otel_fe.store.spread_sample import spread
from otel_fe.store.sums import StoredSums
from otel_fe.store.trace_totals import TraceTotals
from otel_fe.store.traces import Traces

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from otel_fe.changes import Sampled
    from otel_fe.profiles.stacks import SlowExtraction
    from otel_fe.store.attribute_counts import AttributeCounts
    from otel_fe.store.downstream_calls import CallTotal
    from otel_fe.store.drilldown import Drilldown
    from otel_fe.store.kept_points import KeptPoint
    from otel_fe.store.newest_traces import NewestTraces
    from otel_fe.store.observed import ObservedSample
    from otel_fe.store.search import SearchResult
    from otel_fe.store.selection import Selection
    from otel_fe.store.slow_extractions import SlowExtractions


class StoreReader:
    """Answers questions about a store, in any process, while another writes to it. Any number of threads may use it.

    Every question may raise `StoreMissingError` as long as nothing was ever stored, and `StoreError` where the file cannot be read.

    Args:
        directory: The store's. It need not be there yet.
    """

    def __init__(self, directory: Path) -> None:
        self._reading = ReadConnections(directory)
        self.traces: Final = Traces(self._reading)
        self.totals: Final = TraceTotals(self._reading)
        self.decisions: Final = Decisions(self._reading)
        self.series: Final = StoredSeries(self._reading)
        self.sums: Final = StoredSums(self._reading, self.series)
        self.marks: Final = StoredMarks(self._reading)

    def attribute_counts(self, selection: Selection, *, limit: int = 1_000) -> AttributeCounts:
        """Return which values the attributes of a selection's extractions have, by weight; of at most `limit` of them."""
        return attribute_counts(self._reading, selection, limit=limit)

    def slow_extractions(
        self, selection: Selection, *, limit: int = 500, without: Selection | None = None
    ) -> SlowExtractions:
        """Return the slow extractions of a selection, less those of another, with their stacks; of more than `limit`, a sample."""
        return slow_extractions(self._reading, selection, limit=limit, without=without)

    def slow_extractions_of(self, trace_id: int) -> tuple[SlowExtraction, ...]:
        """Return the slow extractions of a trace with their stacks; none where it is not, or no longer, stored."""
        return slow_extractions_of(self._reading, trace_id)

    def call_totals(self, selection: Selection, *, limit: int = 100) -> tuple[CallTotal, ...]:
        """Return the calls below the extractions of a selection, those that took most first; of a sample of about `limit`."""
        return call_totals(self._reading, selection, limit=limit)

    def search(
        self, selection: Selection, accept: Callable[[bytes], bool], *, most_read: int, most_found: int
    ) -> SearchResult:
        """Return the newest extractions of a selection whose traces are accepted, as `search.search_traces` has them."""
        return search_traces(self._reading, selection, accept, most_read=most_read, most_found=most_found)

    def trace_ids_from(self, digits: str, limit: int) -> Sequence[int]:
        """Return the ids of kept traces that begin with some hexadecimal digits."""
        return trace_ids_from(self._reading, digits, limit)

    def observed(self, selection: Selection, *, limit: int = 5_000, spread: bool = False) -> ObservedSample:
        """Return the newest extractions of a selection as forecasts take them; with `spread`, a sample of all times in it."""
        return observed(self._reading, selection, limit=limit, spread=spread)

    def spread(self, selection: Selection, *, limit: int = 4_000) -> list[Sampled]:
        """Return the extractions of a selection to compare with others; of more than `limit`, about so many spread over it."""
        return spread(self._reading, selection, limit=limit)

    def newest(self, selection: Selection, *, limit: int) -> NewestTraces:
        """Return the newest traces of a selection, at most `limit`, and how many it has."""
        return newest(self._reading, selection, limit=limit)

    def latest_extent(self, span_ns: int) -> tuple[int, int] | None:
        """Return from when to when the last `span_ns` of data reach, in Unix ns; None without data."""
        return latest_extent(self._reading, span_ns)

    def kept_points(self, selection: Selection) -> list[KeptPoint]:
        """Return the kept extractions of a selection one by one; none where there are more than a page can add up."""
        return kept_points(self._reading, selection)

    def drilldown(
        self, selection: Selection, *, order: str, limit: int, offset: int = 0, explained: int, attributes: int = 0
    ) -> Drilldown:
        """Return everything about a selection at one moment, as `drilldown.drilldown` has it."""
        return drilldown(
            self._reading,
            selection,
            order=order,
            limit=limit,
            offset=offset,
            explained=explained,
            attributes=attributes,
        )

    def close(self) -> None:
        """Close its connections."""
        self._reading.close()

    def __enter__(self) -> StoreReader:  # noqa: PYI034 `Self` is younger than Python 3.10
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
