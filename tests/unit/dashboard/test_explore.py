"""The drilldown: a cell leads to its traces, and a selection to its cause."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from otel_fe.dashboard.explore import explore
from otel_fe.dashboard.view_address import ViewAddress
from otel_fe.errors import ConfigurationError
from tests.unit.dashboard.conftest import NOW, Elements
from tests.unit.dashboard.seeded import kept
from tests.unit.store.parts import SPLIT, extraction, trace


def of(url):
    return ViewAddress.read(dict(parse_qsl(urlsplit(url).query)))


@pytest.mark.thorough
def test_each_cell_leads_to_just_its_extractions(stored):
    """Every cell of the heat map links to a list of exactly its extractions."""
    address = ViewAddress(range="1h")
    heat = stored.reader.totals.heat_map(address.background(address.window(NOW)), 60_000_000_000)
    drawn = explore(stored, address)["heat"]
    assert len(drawn.cells) == len(heat.cells) > 100
    for cell, shown in list(zip(heat.cells, drawn.cells, strict=True))[::7]:
        behind = explore(stored, of(shown.url))
        assert behind["selected"].extractions == cell.extractions
        assert behind["selected"].weight == pytest.approx(cell.weight)


def test_cells_at_100_ms_are_above_the_line(own):
    """100 ms itself is not below 100 ms."""
    bed, asked = own
    bed.write("trace", kept(1, NOW - 10**10, 100_000_000), kept(2, NOW - 10**10, 99_999_999))
    found = explore(asked.site._stored, ViewAddress(range="15m"))
    (slow,) = [cell for cell in found["heat"].cells if cell.slow]
    (fast,) = [cell for cell in found["heat"].cells if not cell.slow]
    assert slow.y < found["heat"].limit_y <= fast.y


def test_the_cause_of_a_selection_is_found(stored):
    """The pool is too small in the last twenty minutes: that is what the slow ones wait for."""
    found = explore(stored, ViewAddress(range="15m", feature_set="user_profile", low="100.000000"))["compared"]
    assert found.main.cause == "pool_wait"
    assert sum(one.selected_ns for one in found.causes) == pytest.approx(found.selected_mean_ns)
    assert sum(one.rest_ns for one in found.causes) == pytest.approx(found.rest_mean_ns)
    differences = sum(one.difference_ns for one in found.causes)
    assert differences == pytest.approx(found.selected_mean_ns - found.rest_mean_ns)


def test_what_a_cause_explains_is_a_part_of_what_it_is_set_against(own):
    """The slow ones take 122 ms more of the database and 35 ms less CPU: +122 ms is not a part of +87 ms, but of +122 ms."""
    bed, asked = own
    fast = {"cpu": 50_000_000, "downstream": 10_000_000}
    slow = {"cpu": 15_000_000, "downstream": 132_000_000}
    for number, split in enumerate((fast, slow), 1):
        made = extraction(NOW - number * 10**9, sum(split.values()), split=dict.fromkeys(SPLIT, 0) | split)
        bed.write("trace", trace(number, made))
    found = explore(asked.site._stored, ViewAddress(range="15m", low="100.000000"))["compared"]
    assert found.main.share_of_difference == pytest.approx(found.main.difference_ns / found.longer_ns) == 1.0
    assert found.longer_ns - found.shorter_ns == pytest.approx(found.selected_mean_ns - found.rest_mean_ns)
    page = asked.text("/explore?range=15m&low=100.000000")
    assert "of what these take longer: +122 ms of +122 ms in the mean; other causes take 35 ms less" in page
    assert "the mean differs by +87 ms" in page


def test_an_attribute_that_tells_the_selection_from_the_rest_comes_first(stored):
    found = explore(stored, ViewAddress(range="15m", low="100.000000"))["attributes"]
    assert ("feature_extraction.cache.hit", "false") in [(one.attribute, one.value) for one in found[:2]]
    assert all(one.selected_share > one.rest_share for one in found)


def test_all_of_it_has_nothing_to_be_compared_with(stored):
    found = explore(stored, ViewAddress(range="1h", low="0.000001"))["compared"]
    assert found.rest_mean_ns is None


def test_the_page_shows_weights_and_leads_to_traces(asked):
    page = asked.text("/explore?range=1h&order=fastest")
    links = [one["href"] for one in Elements(page).all("a") if one.get("href", "").startswith("/trace/")]
    assert len(links) == 50
    assert "\N{MULTIPLICATION SIGN}20" in page
    assert 'rel="next"' in page
    assert asked.text("/explore?range=1h&order=fastest&page=1") != page


def test_an_address_is_read_as_it_was_written():
    address = ViewAddress(
        range="6h", service="a b&c", feature_set="ü/x", t0="1700000000000", low="100.000000", error="yes"
    )
    assert of(address.url("/explore")) == address


@pytest.mark.parametrize(
    "query", ["range=2h", "low=a", "t0=1e9", "low=-1", "order=best", "error=maybe", "page=1.2.3", "since=" + "9" * 40]
)
def test_an_address_that_cannot_be_is_refused(asked, query):
    with pytest.raises(ConfigurationError):
        ViewAddress.read(dict(parse_qsl(query)))
    assert asked.answer(f"/explore?{query}").status == 400


@pytest.mark.parametrize(
    "query",
    [
        "since=9999999999999999&until=1",
        "low=9999999999999999",
        "t0=9999999999999999&t1=0",
        "page=9999999999999999",
        "since=0&until=9999999999999999",
    ],
)
def test_the_largest_numbers_are_harmless(asked, query):
    assert asked.answer(f"/explore?{query}").status in (200, 400)
    assert asked.answer(f"/?{query}").status in (200, 400)


def test_the_comparison_leaves_out_what_restates_the_selection(own):
    """All that miss have `cache.hit` false and all slow ones a bottleneck; what is left is the deployment that they share."""
    bed, asked = own
    for number in range(40):
        slow = number < 10
        own_attributes = {"app.deployment": "canary" if slow else "stable"}
        if slow:
            own_attributes |= {"feature_extraction.bottleneck": "unexplained", "feature_extraction.hotspot": "a.py:1 f"}
        at, ms = NOW - (number + 1) * 10**9, 200 if slow else 20
        bed.write("trace", kept(number + 1, at, ms * 10**6, policy="all", attributes=own_attributes))
    for query in ("low=100.000000", "cache_hit=no", "cause=pool_wait"):
        found = explore(asked.site._stored, of(f"/explore?range=15m&feature_set=user_profile&{query}"))["attributes"]
        names = {one.attribute for one in found}
        assert ("app.deployment", "canary") in {(one.attribute, one.value) for one in found}
        assert not names & {
            "feature_extraction.bottleneck",
            "feature_extraction.hotspot",
            "feature_extraction.feature_set",
        }
        assert ("feature_extraction.cache.hit" in names) is ("cache_hit" not in query)
