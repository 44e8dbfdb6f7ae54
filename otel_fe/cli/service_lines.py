"""One line for each service that sends to `otel-fe up`: its number of feature sets, rate and p95."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.formatting import milliseconds

if TYPE_CHECKING:
    from otel_fe.dashboard.page_context import PageContext

_LOOK_BACK_NS: Final = 300_000_000_000
_NEWEST: Final = 200
"""Extractions that services are known by until their metrics come."""


@dataclass(frozen=True, slots=True)
class SeenService:
    """The figures of a service since the start."""

    service: str
    feature_sets: int
    per_s: float | None
    """Extractions a second; None as long as none was counted."""
    p95_ns: float | None
    slow: int
    """Extractions that took 100 ms or more."""

    @property
    def stage(self) -> tuple[str, int, bool]:
        """Return the parts whose changes are printed at once, as opposed to the figures."""
        return self.service, self.feature_sets, self.per_s is None

    def __str__(self) -> str:
        name = self.service or "(no service.name)"
        if not self.feature_sets:
            return f"{name}: traces, but no feature extractions yet; OTEL_FE_TARGETS names the functions to measure"
        sets = f"{self.feature_sets} feature set{'' if self.feature_sets == 1 else 's'}"
        if self.per_s is None:
            return f"{name}: {sets}; rates and percentiles come with its next metrics, within a minute"
        p95 = "" if self.p95_ns is None else f", p95 {milliseconds(self.p95_ns)}"
        slow = f", {self.slow:,} slow" if self.slow else ""
        return f"{name}: {sets}, {self.per_s:.3g}/s{p95}{slow}"


def seen_services(stored: PageContext, since_ns: int) -> tuple[SeenService, ...]:
    """Return the services that have sent since a time, at most five minutes back, by name.

    Args:
        stored: Where that is.
        since_ns: Unix time, in ns.

    Raises:
        StoreError: The store cannot be read; `StoreMissingError` as long as nothing was stored.
    """
    from otel_fe.dashboard.figures import figures_of  # noqa: PLC0415 an extra
    from otel_fe.dashboard.overview import groups_in  # noqa: PLC0415
    from otel_fe.dashboard.reasons import counted_from  # noqa: PLC0415

    now = stored.now_ns()
    window = (counted_from(max(since_ns, now - _LOOK_BACK_NS)), now)
    feature_sets = _kept(stored, window)
    counted = groups_in(stored, window, None, None)
    for one in counted:
        feature_sets.setdefault(one["service"], set()).add(one["feature_set"])
    with_figures = {one["service"] for one in counted}
    found = []
    for service in sorted(feature_sets):
        known = len(feature_sets[service])
        if service in with_figures:
            figures, _ = figures_of(stored, window, service, None)
            found.append(SeenService(service, known, figures.per_s, figures.p95_ns, figures.slow))
        else:
            found.append(SeenService(service, known, None, None, 0))
    return tuple(found)


def _kept(stored: PageContext, window: tuple[int, int]) -> dict[str, set[str]]:
    """Return the feature sets of each service by the newest traces; none for one whose traces have no extraction."""
    from otel_fe.store import Selection  # noqa: PLC0415 an extra

    found: dict[str, set[str]] = {}
    for one in stored.reader.traces.find(Selection(*window, whole_traces=True), limit=_NEWEST):
        feature_sets = found.setdefault(one.extraction.service, set())
        if one.extraction.feature_set is not None:
            feature_sets.add(one.extraction.feature_set)
    return found
