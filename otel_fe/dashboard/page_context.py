"""The data behind the pages: the store, SLOs, links to other trace views, and the time."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import quote

from otel_fe.clock import SystemClock
from otel_fe.config.collector import read_collector_config
from otel_fe.config.gaps import gaps_of
from otel_fe.config.openslo import default_slos
from otel_fe.dashboard.query_cache import QueryCache
from otel_fe.errors import OtelFeError
from otel_fe.pipeline.counted_events import CountedEvents
from otel_fe.pipeline.slo_engine import SloEngine
from otel_fe.store import Selection
from otel_fe.store.silence_file import SilenceFile
from otel_fe.units import DAY_NS, HOUR_NS

if TYPE_CHECKING:
    from pathlib import Path

    from otel_fe.clock import Clock
    from otel_fe.dashboard.grafana_link import GrafanaLink
    from otel_fe.model.slo import Slo
    from otel_fe.pipeline.slo_engine import SloState
    from otel_fe.store import StoreReader

_FRESH_NS: Final = 120_000_000_000
"""Data that is younger is still coming in: exports are a minute apart."""
_SHORTEST_NS: Final = 10_000_000_000


class ConfigText(Protocol):
    """A configuration file, or its replacement. Its text form is its name."""

    def read_text(self, encoding: str) -> str:
        """Return what it holds now.

        Raises:
            OSError, UnicodeDecodeError: It cannot be read.
        """
        ...


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
class PageContext:
    """The data sources of the pages."""

    reader: StoreReader
    directory: Path
    clock: Clock = field(default_factory=SystemClock)
    slos: tuple[Slo, ...] = field(default_factory=default_slos)
    links: tuple[TraceLink, ...] = ()
    config: ConfigText | None = None
    """The collector's YAML, for the page about policies."""
    grafana: GrafanaLink | None = None
    """The Grafana that has the rendered dashboards."""
    remembered: QueryCache = field(init=False)
    silences: SilenceFile = field(init=False)
    """Silences made on the page about alerts; the collector honours them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "silences", SilenceFile(self.directory))
        object.__setattr__(self, "remembered", QueryCache(self.clock))

    def now_ns(self) -> int:
        """Return the Unix time."""
        return self.clock.time_ns()

    @property
    def empty(self) -> bool:
        """Return whether nothing has ever been stored: then what is needed is a guide and not a page of dashes."""
        anything = Selection(0, self.now_ns() + DAY_NS, whole_traces=True)
        return self.reader.sums.first_ns() is None and not self.reader.traces.find(anything, limit=1)

    def gap(self, signal: str) -> str:
        """Return what the collector's configuration lacks for a signal to be stored; empty for nothing, and if not known."""
        if self.config is None:
            return ""
        try:
            return _gaps(self.config.read_text(encoding="utf-8")).get(signal, "")
        except (OSError, UnicodeDecodeError, OtelFeError):
            return ""

    def fitted_window(self) -> tuple[int, int] | None:
        """Return the window that fits the last hour of data, in Unix ns; None without data.

        It ends now while data comes in, and else where the data ends: a store of yesterday opens on yesterday.
        """
        found = self.reader.latest_extent(HOUR_NS)
        if found is None:
            return None
        since, until = found
        now = self.now_ns()
        until = now if until >= now - _FRESH_NS else until + 1
        since = max(since, until - HOUR_NS)
        # A margin on the left, so that the first column does not hide behind the axis.
        return max(until - HOUR_NS, min(since - (until - since) // 50, until - _SHORTEST_NS)), until

    @property
    def events(self) -> CountedEvents:
        """The events of SLOs."""
        return CountedEvents(self.reader.sums)

    def slo_states(self) -> tuple[SloState, ...]:
        """Return every SLO in every group, now."""
        return SloEngine(self.slos, self.events, self.clock).evaluate()


@lru_cache(maxsize=4)
def _gaps(text: str) -> dict[str, str]:
    return dict(gaps_of(read_collector_config(text, "the configuration", os.environ)))
