"""What the pages are made of: the store, SLOs, where else traces can be looked at, and the time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from otel_fe.clock import SystemClock
from otel_fe.config.openslo import default_slos
from otel_fe.pipeline.counted_events import CountedEvents
from otel_fe.pipeline.slo_engine import SloEngine

if TYPE_CHECKING:
    from pathlib import Path

    from otel_fe.clock import Clock
    from otel_fe.model.slo import Slo
    from otel_fe.pipeline.slo_engine import SloState
    from otel_fe.store import StoreReader


@dataclass(frozen=True, slots=True)
class TraceLink:
    """Another place where traces can be looked at."""

    name: str
    template: str
    """A URL with `{trace_id}` in it."""

    def url(self, trace_id: str) -> str:
        """Return where one trace is."""
        return self.template.replace("{trace_id}", quote(trace_id, safe=""))


@dataclass(frozen=True, slots=True)
class Stored:
    """Everything that a page may ask."""

    reader: StoreReader
    directory: Path
    clock: Clock = field(default_factory=SystemClock)
    slos: tuple[Slo, ...] = field(default_factory=default_slos)
    links: tuple[TraceLink, ...] = ()
    config: Path | None = None
    """The collector's YAML, for the page about policies."""

    def now_ns(self) -> int:
        """Return the Unix time."""
        return self.clock.time_ns()

    @property
    def events(self) -> CountedEvents:
        """The events of SLOs."""
        return CountedEvents(self.reader.sums)

    def slo_states(self) -> tuple[SloState, ...]:
        """Return every SLO in every group, now."""
        return SloEngine(self.slos, self.events, self.clock).evaluate()
