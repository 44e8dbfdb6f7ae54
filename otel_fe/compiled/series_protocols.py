"""Protocols of what counts spans and extractions in their series; see `protocols`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_Metrics = TypeVar("_Metrics")


class SeriesFinder(Protocol):
    """Finds the series of spans, or of extractions, of one resource."""

    def find(self, span: Any, /) -> Any:
        """Return the series of a span; None if it is left to the caller."""
        ...

    def learn(self, span: Any, series: Any, /) -> None:
        """Remember the series of a span."""
        ...


class ForgettingFinder(SeriesFinder, Protocol):
    """One whose series expire."""

    def clear(self) -> None:
        """Forget all series."""
        ...


class RecordSpans(Protocol):
    """Counts spans in their series of span metrics."""

    def __call__(
        self,
        spans: Iterable[Any],
        sources: Mapping[Any, Any],
        now_ns: int,
        weigh: Callable[[str], int | None] | None = None,
        /,
    ) -> Iterable[Any]:
        """Count spans; return those left to the caller.

        Args:
            spans: The spans of a request.
            sources: The `Source` of each resource.
            now_ns: Monotonic time.
            weigh: Given a `tracestate`, returns the weight that it tells, in parts of 2**-64; None if it tells none.
        """
        ...


class DrawExemplars(Protocol):
    """Draws exemplars among kept spans."""

    def __call__(
        self, spans: Iterable[Any], sources: Mapping[Any, Any], draw: Callable[[int], int], /
    ) -> tuple[Iterable[Any], Sequence[tuple[Any, int, int, Any]]]:
        """Return the spans left to the caller; and series, bucket, duration and span of each exemplar.

        Args:
            spans: Spans of kept traces.
            sources: The `Source` of each resource.
            draw: Returns a random integer from 0 to its argument less one.
        """
        ...


class CountExtractions(Protocol):
    """Counts extractions in their series."""

    def __call__(
        self,
        spans: Iterable[Any],
        word: str,
        metrics_of: Callable[[Any], _Metrics],
        is_counted: Callable[[str], bool],
        /,
    ) -> list[tuple[_Metrics, list[Any]]]:
        """Count extractions; return those left to the caller, with the metrics of their resources.

        Args:
            spans: The spans of a request.
            word: The name of an extraction's span, or its first word.
            metrics_of: Returns the `ReceivedMetrics` of a resource.
            is_counted: Returns whether a `tracestate` says that the span has been counted.
        """
        ...
