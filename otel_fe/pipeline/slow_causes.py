"""The causes of slow extractions in recent traces, for `otel_fe.explain_decision` to say why a trace was slow."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_fe.pipeline.attribution import bottleneck
from otel_fe.units import NS_PER_MS

if TYPE_CHECKING:
    from otel_fe.pipeline.trace import LocalTrace

_MOST_TRACES: Final = 1_000
_MOST_EXTRACTIONS: Final = 8
"""Extractions of one trace; the slowest are kept."""


@dataclass(frozen=True, slots=True)
class SlowCause:
    """The cause of one slow extraction of a trace, and its line of code."""

    feature_set: str
    duration_ns: int
    cause: str
    cause_ns: int
    hotspot: str
    """`file:line function` where most of that time went; empty where it was not sampled."""
    hotspot_ns: int

    def __str__(self) -> str:
        name = f"{self.feature_set}: " if self.feature_set else ""
        spent = f"{self.cause} {self.cause_ns / NS_PER_MS:.4g} ms of {self.duration_ns / NS_PER_MS:.4g}"
        where = f", {self.hotspot_ns / NS_PER_MS:.4g} ms in {self.hotspot}" if self.hotspot else ""
        return f"{name}{spent}{where}"


class SlowCauses:
    """The slow extractions of the newest traces that had any; a bounded memory. Its owner holds the lock, or needs none."""

    def __init__(self) -> None:
        self._by_trace: OrderedDict[int, tuple[SlowCause, ...]] = OrderedDict()

    def note(self, trace: LocalTrace) -> None:
        """Remember the slow extractions of a trace that is being decided; nothing where it has none."""
        slow = [_slow(figures) for figures, _, _ in trace.candidates if getattr(figures, "split", None)]
        if not slow:
            return
        slow.sort(key=lambda one: -one.duration_ns)
        self._by_trace[trace.trace_id] = tuple(slow[:_MOST_EXTRACTIONS])
        if len(self._by_trace) > _MOST_TRACES:
            self._by_trace.popitem(last=False)

    def of(self, trace_id: int) -> tuple[SlowCause, ...]:
        """Return the slow extractions of a trace, the slowest first; none where there were none, or they are forgotten."""
        return self._by_trace.get(trace_id, ())


def _slow(figures: Any) -> SlowCause:
    cause, cause_ns = bottleneck(figures.split)
    hotspot, hotspot_ns = getattr(figures, "hotspot", None) or ("", 0)
    return SlowCause(figures.feature_set, figures.duration_ns, cause, cause_ns, hotspot, hotspot_ns)
