"""Reads received extractions: measurements, and the split of their time, from the attributes of their spans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe import compiled, semconv
from otel_fe.model.measurements import CAUSE_CACHE_MISS, CAUSE_POOL, Measurements
from otel_fe.pipeline.attribution import CAUSES
from otel_fe.semconv import CAUSE_CPU, CAUSE_DOWNSTREAM, CAUSE_UNEXPLAINED
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from otel_fe.compiled.protocols import Named, PickAttributes
    from otel_fe.model.span import SpanView
    from otel_fe.pipeline.span_tree import SpanTree

_PREFIX: Final = f"{semconv.SPAN_NAME} "
_TEXTS: Final = (semconv.FEATURE_SET, semconv.LIBRARY, semconv.ERROR_TYPE)
_NUMBERS: Final = (semconv.CACHE_LOOKUPS, semconv.CACHE_HITS, semconv.MEMORY_GROWTH)
_TIMES: Final = (semconv.CACHE_TIME, semconv.POOL_WAIT_TIME, semconv.CPU_TIME)
_TIME_PREFIX: Final = f"{semconv.NAMESPACE}.time.".encode()
_BOTTLENECK: Final = semconv.BOTTLENECK.encode()
_NO_TIME: Final[dict[str, int]] = dict.fromkeys(CAUSES, 0)
MEASURED: Final = (*_TEXTS, *_NUMBERS, *_TIMES)
"""The attributes that figures are read from."""


def is_extraction(span: SpanView) -> bool:
    """Return whether a span is that of a feature extraction, by its name."""
    return span.name == semconv.SPAN_NAME or span.name.startswith(_PREFIX)


def _plain_extractions(spans: Iterable[SpanView], _name: str) -> list[SpanView]:
    return [span for span in spans if is_extraction(span)]


_extractions: Final[Named] = _plain_extractions if compiled.backend is None else compiled.backend.named


def extractions_in(spans: Iterable[SpanView]) -> list[SpanView]:
    """Return those of the spans that are extractions'."""
    return _extractions(spans, semconv.SPAN_NAME)


def figures_of(span: SpanView) -> Measurements:
    """Return an extraction's measurements; those that its attributes lack keep their defaults."""
    values = _pick(span)
    feature_set, library, error_type, lookups, hits, growth, look_up_ns, wait_ns, cpu_ns = (
        _picked(span) if values is None else values
    )
    found = Measurements()
    found.feature_set = feature_set
    found.library = library
    found.error_type = error_type
    found.duration_ns = max(0, span.end_ns - span.start_ns)
    found.cache_lookups = lookups
    found.cache_hits = min(hits, lookups)
    found.cache_ns = look_up_ns or 0
    found.pool_waits = 0 if wait_ns is None else 1
    found.pool_wait_ns = wait_ns or 0
    found.cpu_ns = -1 if cpu_ns is None else cpu_ns
    found.memory_growth_bytes = growth
    return found


def split_of(span: SpanView, family: SpanTree, figures: Measurements | None = None) -> dict[str, int]:
    """Return an extraction's time in ns by cause; the parts add up to its duration.

    The process that ran a slow extraction writes it into the attributes. For others it is derived: the times of calls
    from the spans below, the sums of waits and look-ups from the attributes. Where in the extraction those lay is then
    not known, so they are taken out of the calls that they lie in by their sums.

    Args:
        span: The extraction's.
        family: Of its trace.
        figures: Of the extraction, where they are known.
    """
    duration = max(0, span.end_ns - span.start_ns)
    stated = told_split(span, duration)
    if stated is not None:
        return stated
    figures = figures_of(span) if figures is None else figures
    split = _by_calls(span.start_ns, duration, family.calls_below(span), figures.cpu_ns)
    misses = figures.cache_lookups - figures.cache_hits
    share = figures.cache_ns * misses // figures.cache_lookups if figures.cache_lookups else 0
    for cause, time_ns in ((CAUSE_POOL, figures.pool_wait_ns), (CAUSE_CACHE_MISS, share)):
        if not time_ns:
            continue
        left = time_ns
        for source in (CAUSE_DOWNSTREAM, CAUSE_UNEXPLAINED, CAUSE_CPU):
            if not left:
                break
            moved = min(split[source], left)
            split[source] -= moved
            left -= moved
        split[cause] = time_ns - left
    return split


def bottleneck_of(span: SpanView, split: Mapping[str, int]) -> str:
    """Return the cause that took most of an extraction's time: the one in its attributes, or else by its split."""
    if _may_hold(span, _BOTTLENECK):
        stated = span.attributes.get(semconv.BOTTLENECK)
        if isinstance(stated, str) and stated in split:
            return stated
    most = max(split.values())
    return next(cause for cause, time_ns in split.items() if time_ns == most)  # half the time of a `max` with a key


def told_split(span: SpanView, duration_ns: int) -> dict[str, int] | None:
    """Return the time by cause in an extraction's attributes, in ns, adding up to its duration; None if absent."""
    if not _may_hold(span, _TIME_PREFIX):
        return None
    stated = {cause: _ns(span.attributes.get(name)) for cause, name in semconv.TIME.items()}
    return _adding_up(stated, duration_ns) if any(stated.values()) else None


def _by_calls(start_ns: int, duration_ns: int, calls: Iterable[SpanView], cpu_ns: int) -> dict[str, int]:
    """Do as `attribute` does where all intervals are calls, in a third of the time: it runs for each kept one."""
    end_ns = start_ns + duration_ns
    covered, until = 0, start_ns
    for start, end in sorted([(call.start_ns, call.end_ns) for call in calls]):
        if end > until:
            first = start if start > until else until  # noqa: FURB136 `max` costs more than all else here
            until = end if end < end_ns else end_ns  # noqa: FURB136
            if until > first:
                covered += until - first
    left = duration_ns - covered
    own = 0 if cpu_ns < 0 else min(left, cpu_ns)
    split = _NO_TIME.copy()
    split[CAUSE_DOWNSTREAM] = covered
    split[CAUSE_CPU] = own
    split[CAUSE_UNEXPLAINED] = left - own
    return split


def _may_hold(span: SpanView, name: bytes) -> bool:
    """Return whether a span may have an attribute whose name begins so: searching its bytes costs less than reading it."""
    raw = getattr(span, "raw", None)
    return not isinstance(raw, bytes) or name in raw


def _picked(span: SpanView) -> list[Any]:
    """Return the attributes of an extraction as `_pick` does: those named in `_TEXTS`, `_NUMBERS` and `_TIMES`."""
    get = span.attributes.get
    texts, numbers = [_text(get(name)) for name in _TEXTS], [_whole(get(name)) for name in _NUMBERS]
    return texts + numbers + [None if (value := get(name)) is None else _ns(value) for name in _TIMES]


_pick: Final[PickAttributes] = _picked if compiled.backend is None else compiled.backend.Picker(MEASURED, "tttwwwsss")


def _adding_up(stated: dict[str, int], duration: int) -> dict[str, int]:
    """Return the parts, with what rounding or the sender's arithmetic leaves over in `unexplained`."""
    split = _NO_TIME.copy()
    left = duration
    for cause in CAUSES:
        if cause != CAUSE_UNEXPLAINED:
            split[cause] = min(stated[cause], left)
            left -= split[cause]
    split[CAUSE_UNEXPLAINED] = left
    return split


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: Any) -> int:
    return value if type(value) is int else 0


def _ns(value: Any) -> int:
    """Return seconds as ns; 0 for what is no time."""
    if isinstance(value, (int, float)) and 0 <= value < 1e9:  # noqa: PLR2004 thirty years: also keeps out inf and nan
        return round(value * NS_PER_S)
    return 0
