"""The page about capacity: over a simulated service, and over a store that the model does not describe."""

from __future__ import annotations

import json

import pytest

from otel_fe.collector.servers.endpoints import Endpoint
from otel_fe.dashboard.access import Access
from otel_fe.dashboard.page_context import PageContext
from otel_fe.dashboard.site import Site
from tests.unit.capacity.conftest import UNTIL, stored  # noqa: F401 a fixture
from tests.unit.dashboard.conftest import Asked, Elements
from tests.unit.store.parts import T0


@pytest.fixture
def page(stored):  # noqa: F811 the fixture
    context = PageContext(stored.reader, stored.directory, stored.clock)
    return Asked(Site(context, Access(Endpoint("localhost", 8899), "")))


@pytest.mark.thorough
def test_the_page_says_headroom_resources_and_what_is_needed(page):
    html = page.text("/capacity?traffic=5x")
    assert "headroom" in html
    assert "primary gives out first" in html
    assert "Python interpreter (GIL)" in html
    assert "connections needed for 5x" in html
    assert "h of history are stored" in html  # the store has one
    links = [one.get("href", "") for one in Elements(html).all("a")]
    assert any(link.startswith("/capacity") for link in links)


@pytest.mark.thorough
def test_the_same_as_json(page):
    found = json.loads(page.answer("/capacity.json?traffic=1.5").body)
    (service,) = found["services"]
    answer = service["answers"][0]["answer"]
    assert found["factor"] == 1.5
    assert answer["headroom"]["low"] <= answer["headroom"]["value"] <= answer["headroom"]["high"]


def test_a_window_that_is_too_short_says_so(page):
    address = f"since={T0 // 1_000_000}&until={(T0 + 300 * 1_000_000_000) // 1_000_000}"
    html = page.text(f"/capacity?{address}")
    assert "Nothing can be said." in html
    assert UNTIL > T0


@pytest.mark.parametrize("factor", ["0", "x", "1e3", "-2", "101"])
def test_traffic_that_is_no_factor_is_refused(page, factor):
    found = page.answer(f"/capacity?traffic={factor}")
    assert found.status == 400
    assert b"use a factor" in found.body
