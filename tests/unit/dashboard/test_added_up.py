"""Pages ask for many groups, and many windows, at once: the answers are those to each question by itself."""

from __future__ import annotations

import gc
from urllib.parse import parse_qsl, urlsplit

import pytest

from otel_fe import semconv
from otel_fe.dashboard.advice import causes_of
from otel_fe.dashboard.command import opened
from otel_fe.dashboard.explore import explore
from otel_fe.dashboard.figures import figures_of
from otel_fe.dashboard.heatmap_svg import column_ns
from otel_fe.dashboard.overview import overview
from otel_fe.dashboard.settings import DashboardSettings
from otel_fe.dashboard.templating import environment
from otel_fe.dashboard.view_address import ViewAddress
from otel_fe.pipeline.counted_events import CountedEvents
from otel_fe.pipeline.event_sums import BudgetGroup
from otel_fe.store import Selection
from otel_fe.store.slots import BY_GROUP, SLOT_NS
from tests.unit.dashboard.conftest import NOW, Elements
from tests.unit.dashboard.seeded import GROUPS, kept
from tests.unit.store.parts import HOUR, MINUTE

WINDOW = (NOW - 50 * MINUTE, NOW)


def test_each_group_has_the_figures_that_it_has_by_itself(stored):
    """Each group's figures equal those of a query of that group alone, and their sum that of everything."""
    found = overview(stored, ViewAddress(since=str(WINDOW[0] // 10**6), until=str(WINDOW[1] // 10**6)))
    assert {(one["service"], one["feature_set"]) for one in found["groups"]} == {one[:2] for one in GROUPS}
    for one in found["groups"]:
        alone, _ = figures_of(stored, found["window"], one["service"], one["feature_set"])
        assert one["figures"] == alone
    assert found["figures"] == figures_of(stored, found["window"], None, None)[0]
    assert found["figures"].extractions == sum(one["figures"].extractions for one in found["groups"])


def test_sums_by_group_add_up_to_the_sum(stored):
    """Good events, all events, and histograms, of every group and of one feature set."""
    sums = stored.reader.sums
    for feature_set in (None, "session", "nothing"):
        groups = sums.good_and_totals("latency", *WINDOW, feature_set=feature_set)
        good, total = sums.good_and_total("latency", *WINDOW, feature_set=feature_set)
        assert (good, total) == tuple(sum(one[place] for one in groups.values()) for place in (0, 1))
        assert all(sums.good_and_total("latency", *WINDOW, *group) == both for group, both in groups.items())
        spreads = sums.distributions(semconv.DURATION, *WINDOW, feature_set=feature_set)
        whole = sums.distribution(semconv.DURATION, *WINDOW, feature_set=feature_set)
        assert whole.count == sum(one.count for one in spreads.values())
        assert whole.at_most(0.1) == sum(one.at_most(0.1) for one in spreads.values())


def test_the_events_of_one_group_are_those_that_it_has_among_all(stored):
    """A query of one group returns the events that a query of all groups has for it, for each SLO and window."""
    group = BudgetGroup("ranking", "session")
    for slo in stored.slos:
        for begin in (0, *WINDOW):
            everything = CountedEvents(stored.reader.sums).events(slo.indicator, begin, NOW)
            one = CountedEvents(stored.reader.sums, group).events(slo.indicator, begin, NOW)
            assert one == {key: counts for key, counts in everything.items() if key == group}


def test_what_slow_extractions_spent_their_time_on_is_of_all_of_them(stored):
    """Causes are added up over all slow extractions by weight, not over a sample; percentiles are over all extractions."""
    causes = causes_of(stored, WINDOW, None, None)
    slow = stored.reader.totals.totals(Selection(*WINDOW, min_duration_ns=100_000_000))
    assert {one.cause: one.time_ns for one in causes.ranked} == {c: t for c, t in slow.split_ns.items() if t}
    assert sum(one.share for one in causes.ranked) == pytest.approx(1)
    assert [one.cost_share for one in causes.ranked] == sorted((one.cost_share for one in causes.ranked), reverse=True)


@pytest.mark.parametrize("hours", [1, 24, 89, 90, 91, 7 * 24, 30 * 24, 400 * 24])
def test_columns_of_long_windows_are_as_the_store_has_them_added_up(hours):
    """About sixty, and never more."""
    width = column_ns((NOW - hours * HOUR, NOW))
    assert 24 <= hours * HOUR / width <= 60
    assert width % (BY_GROUP * SLOT_NS if hours > 90 else 10**9) == 0


def test_a_cell_is_one_element_with_nothing_unescaped_in_it(own):
    """A cell's link keeps the parameters of the address, escaped, however hostile they are."""
    bed, asked = own
    evil = "\"><script>alert(1)</script>&'"
    bed.write("trace", kept(1, NOW - 10**10, 120_000_000, feature_set=evil))
    address = ViewAddress(range="15m", feature_set=evil, low="0.000001")
    (cell,) = explore(asked.site._stored, address)["heat"].cells
    page = asked.text(address.url("/explore"))
    assert str(cell.drawn) in page
    assert "<script>alert" not in page
    found = Elements(str(cell.drawn))
    assert [name for name, _ in found.found] == ["a", "rect", "title"]
    assert found.all("a") == [{"href": cell.url, "aria-label": cell.title}]
    assert dict(parse_qsl(urlsplit(cell.url).query))["feature_set"] == evil


def test_pages_are_compiled_before_they_are_asked_for():
    """The first reader does not wait for it."""
    made = environment()
    assert {name for (_, name), _ in made.cache.items()} == set(made.list_templates())


def test_what_is_loaded_is_not_looked_through_for_garbage(tmp_path):
    """A reader would wait for it, every few pages."""
    before, loaded = gc.get_freeze_count(), [[] for _ in range(10_001)]
    server = opened(DashboardSettings("localhost:0"), tmp_path)
    try:
        assert gc.get_freeze_count() > before + 10_000
    finally:
        gc.unfreeze()
        server.close()
        loaded.clear()
        gc.collect()
        gc.freeze()  # as tests/conftest.py has left it
