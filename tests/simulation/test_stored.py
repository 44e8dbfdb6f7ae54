"""SLOs from the real store, of two processes, one of which restarts, with a gap and a clock that is set back."""

from __future__ import annotations

from fractions import Fraction

import pytest

from otel_fe import semconv
from otel_fe.config.openslo import default_slos
from otel_fe.model.edges import EDGES
from otel_fe.model.metric import Buckets, Metric, Point, ResourceMetrics
from otel_fe.model.slo import EventCounts, EventSelection, Indicator
from otel_fe.pipeline.counted_events import CountedEvents
from otel_fe.pipeline.event_sums import BudgetGroup
from otel_fe.pipeline.percentile import percentiles
from otel_fe.pipeline.slo_engine import SloEngine
from otel_fe.store import Store, StoreReader
from otel_fe.testing import FakeClock
from otel_fe.units import MINUTE_NS
from tests.simulation.minutes import START_NS

ERRORS = next(slo for slo in default_slos() if slo.name == "error_rate")
LATENCY = next(slo for slo in default_slos() if slo.name == "latency")
DURATION_EDGES = tuple(map(float, EDGES[semconv.DURATION]))


class Process:
    """Counts extractions of two feature sets, of which one fails; cumulative, from its start."""

    def __init__(self, number, start_ns):
        self._resource = {"service.name": "shop", "service.instance.id": str(number)}
        self._start_ns = start_ns
        self._count = 0

    def work(self, extractions=1):
        """Extract so many of each feature set."""
        self._count += extractions

    def export(self, now_ns):
        """Return what it has counted."""

        def point(value, **labels):
            return Point(labels, self._start_ns, now_ns, value)

        events = [
            point(self._count, slo=slo.name, good=(name == "a"), **{semconv.FEATURE_SET: name})
            for slo in (ERRORS, LATENCY)
            for name in "ab"
        ]
        durations = [
            point(_buckets(0.02 if name == "a" else 0.3, self._count), **{semconv.FEATURE_SET: name}) for name in "ab"
        ]
        metrics = [Metric(semconv.SLO_EVENTS, "{extraction}", False, events)]
        metrics.append(Metric(semconv.DURATION, "s", False, durations))
        return ResourceMetrics(self._resource, semconv.SCOPE_NAME, metrics)


def _buckets(value, count):
    counts = [0] * (len(DURATION_EDGES) + 1)
    counts[sum(edge < value for edge in DURATION_EDGES)] = count
    return Buckets(count, value * count, DURATION_EDGES, tuple(counts))


@pytest.fixture
def stored(tmp_path):
    """Store two hours of both processes; return what SLOs are computed from, a clock at their end, and the truth."""
    clock = FakeClock(START_NS)
    truth = 0
    with Store(tmp_path, clock=clock) as store:
        first, second = Process(1, START_NS), Process(2, START_NS)
        for minute in range(120):
            if minute == 40:
                second = Process(2, clock.time_ns())  # restarted: counts from zero
            if minute == 80:
                clock.jump(-5 * 60)  # the clock on the wall is set back
            clock.advance(60)
            for process, extractions in ((first, 10), (second, 3)):
                process.work(extractions)
                truth += extractions
            if not 50 <= minute < 60:  # nothing arrives for a while: the next export brings it
                store.add_metrics([first.export(clock.time_ns()), second.export(clock.time_ns())])
        assert store.flush()
    with StoreReader(tmp_path) as reader:
        yield CountedEvents(reader.sums), clock, truth


def test_no_event_is_lost_or_counted_twice(stored):
    """Over the whole window: all of one feature set good, all of the other bad."""
    events, clock, truth = stored
    clock.advance(60)
    states = {state.group: state for state in SloEngine([ERRORS], events, clock).evaluate()}
    assert {group: state.counts for group, state in states.items()} == {
        BudgetGroup("shop", "a"): EventCounts(0, truth),
        BudgetGroup("shop", "b"): EventCounts(truth, truth),
    }
    assert [any(one.true for one in states[BudgetGroup("shop", name)].alerts) for name in "ab"] == [False, True]


def test_thresholds_and_percentiles_come_from_the_histogram(stored):
    """Exactly, at its edges; by service and feature set where an SLO is for those."""
    events, clock, truth = stored
    end = clock.time_ns() + MINUTE_NS
    only_b = ((semconv.FEATURE_SET, "b"),)
    slow = Indicator(
        EventSelection(semconv.DURATION, only_b, Fraction(1, 4)),
        part_is_good=True,
        total=EventSelection(semconv.DURATION, only_b),
    )
    assert events.events(slow, START_NS, end) == {BudgetGroup("shop", "b"): EventCounts(truth, truth)}
    elsewhere = EventSelection(semconv.DURATION, (("service.name", "search"),))
    assert events.events(Indicator(elsewhere, part_is_good=True, total=elsewhere), START_NS, end) == {}
    found = percentiles(LATENCY.indicator.limit, LATENCY.objective, events, START_NS, end)
    assert found[BudgetGroup("shop", "a")].at_most == Fraction("0.02")
    assert (found[BudgetGroup("shop", "b")].above, found[BudgetGroup("shop", "b")].at_most) == (
        Fraction("0.25"),
        Fraction("0.3"),
    )


def test_lookups_are_counted_as_they_are(stored):
    """A counter by its own dimensions; without any there are no events."""
    events, clock, _ = stored
    hits = EventSelection(semconv.CACHE_LOOKUPS_METRIC, ((semconv.RESULT, "hit"),))
    lookups = Indicator(hits, part_is_good=True, total=EventSelection(semconv.CACHE_LOOKUPS_METRIC))
    assert events.events(lookups, START_NS, clock.time_ns()) == {}
