"""Series by attributes as they are encoded, so that spans that came as bytes are counted without decoding them.

Spans of the same scope and name nearly always have the same attributes at the same places. Where those of the dimensions are is
learnt from a span that has been decoded; the next one is then found by the bytes at these places, key and value, which are
compared whole, while the keys that were absent must not occur in its bytes at all. Everything else is decoded.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_fe.model.span import ScopeView, SpanView
    from otel_fe.pipeline.span_metrics.series import Series

_MOST_LAYOUTS: Final = 1_000
_MOST_SERIES: Final = 4_096
"""Of one layout: more different values than these are decoded."""


class Encoded(Protocol):
    """Attributes that can be compared as bytes."""

    raw: bytes
    """The whole span."""
    pairs: Sequence[bytes] | None
    """Each attribute, encoded; None until `split` is called."""

    def split(self) -> Sequence[bytes]:
        """Return each attribute, encoded."""
        ...

    def place(self, key: str) -> int:
        """Return where among them the attribute with a key stands; -1 where it is absent, -2 where that is not certain."""
        ...


class _Layout:
    """Where the dimensions' attributes are in spans of one kind."""

    __slots__ = ("absent", "pick", "places", "series")

    def __init__(self, names: Sequence[str], places: tuple[int, ...]) -> None:
        self.places = places
        present = [place for place in places if place >= 0]
        self.pick: Callable[[Any], Any] = itemgetter(*present) if present else _nothing
        self.absent = tuple(name.encode() for name, place in zip(names, places, strict=True) if place < 0)
        self.series: dict[Any, Series] = {}


class Layouts:
    """The layouts of the spans that one resource has sent, for the dimensions of one measure."""

    __slots__ = ("_by_kind", "_names")

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._by_kind: dict[tuple[ScopeView, str], _Layout] = {}

    def find(self, span: SpanView, attributes: Encoded) -> Series | None:
        """Return the series that a span belongs to, if that can be told from its bytes."""
        layout = self._by_kind.get((span.scope, span.name))
        if layout is None:
            return None
        pairs = attributes.pairs
        if pairs is None:
            pairs = attributes.split()
        try:
            series = layout.series[span.kind, span.status, layout.pick(pairs)]
        except LookupError:  # values that are new, or another layout
            return None
        raw = attributes.raw
        for key in layout.absent:
            if key in raw:
                return None
        return series

    def learn(self, span: SpanView, attributes: Encoded, series: Series) -> None:
        """Remember the series that a span belongs to, where its bytes tell."""
        places = tuple(attributes.place(name) for name in self._names)
        if min(places, default=0) < -1:
            return
        kind = (span.scope, span.name)
        layout = self._by_kind.get(kind)
        if layout is None or layout.places != places:
            if len(self._by_kind) >= _MOST_LAYOUTS:
                self._by_kind.clear()
            layout = self._by_kind[kind] = _Layout(self._names, places)
        if len(layout.series) < _MOST_SERIES:
            pairs = attributes.pairs if attributes.pairs is not None else attributes.split()
            layout.series[span.kind, span.status, layout.pick(pairs)] = series

    def clear(self) -> None:
        """Forget all; where series have gone."""
        self._by_kind.clear()


def _nothing(_pairs: object) -> None:
    return None
