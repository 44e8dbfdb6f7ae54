"""Without a window in its address a page opens on the data that there is, and its steps fit that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from otel_fe.dashboard.explore import explore
from otel_fe.dashboard.finer_steps import finer_steps
from otel_fe.dashboard.overview import overview
from otel_fe.dashboard.page_context import PageContext
from otel_fe.dashboard.view_address import ViewAddress
from otel_fe.model.metric import Point
from otel_fe.testing import FakeClock
from tests.unit.dashboard.conftest import NOW, Elements
from tests.unit.dashboard.seeded import MINUTE, NS, fill, kept, metrics
from tests.unit.store.parts import bed

HOUR = 60 * MINUTE


def half_a_minute(write, end):
    """Write ten kept extractions a second for 30 s, and what was counted then."""
    begin = end - 30 * NS
    write(
        "trace",
        *(kept(0x1000 + n, begin + n * NS // 10, (20 + n % 60) * 1_000_000, policy="baseline") for n in range(300)),
    )
    counted = metrics(begin, "feature-service", "user_profile", 6_000, 100, 10, 900)
    write("metrics", [replace(counted, metrics=tuple(until(end, one) for one in counted.metrics))])


def until(end, metric):
    """Return a metric whose points end then."""
    points = tuple(Point(one.attributes, one.start_ns, end - 1, one.value) for one in metric.points)
    return replace(metric, points=points)


def opened(made, now=NOW):
    stored = PageContext(made.reader, made.directory, FakeClock(now))
    return stored, ViewAddress().fit(stored.fitted_window())


def test_half_a_minute_of_data_fills_the_page(own):
    """The heat map has a column a second and the charts a point every two, instead of two dots in an hour."""
    made, asked = own
    half_a_minute(made.write, NOW)
    stored, address = opened(made)
    since, end = stored.fitted_window()
    assert end == NOW
    assert 30 * NS <= end - since <= 32 * NS
    found = overview(stored, address)
    assert found["figures"].extractions == 6_000
    assert found["finer"].step_ns == 2 * NS
    assert 15 <= len(found["finer"].steps) <= 17
    assert len({cell.time_ns for cell in explore(stored, address)["heat"].cells}) >= 30
    page = asked.text("/")
    assert "Estimated from kept traces by their weights, in steps of 2 s" in page
    assert "too little to tell" not in page
    (chosen,) = [one for one in Elements(page).all("a") if one.get("aria-current") == "true"]
    assert chosen["href"] == "/"


def test_a_store_of_yesterday_opens_on_yesterday(own):
    made, _ = own
    half_a_minute(made.write, NOW - 24 * HOUR)
    stored, address = opened(made)
    assert abs(stored.fitted_window()[1] - (NOW - 24 * HOUR)) < 40 * NS
    assert overview(stored, address)["figures"].extractions == 6_000


def test_of_much_data_it_is_the_last_hour(tmp_path):
    with bed(tmp_path / "store", clock=FakeClock(NOW)) as made:
        fill(made.write, NOW, minutes=90, traces_a_minute=1)
        stored, _ = opened(made)
        assert stored.fitted_window() == (NOW - HOUR, NOW)


def test_a_window_in_the_address_stays():
    for address in (ViewAddress(range="15m"), ViewAddress(since="1000", until="2000")):
        assert address.fit((1, 2)) is address
    fitted = ViewAddress().fit((NOW - NS, NOW))
    assert fitted.url("/") == "/"
    assert fitted.frame().url("/explore") == "/explore"
    assert fitted.with_(range="15m").window(NOW) == (NOW - 15 * MINUTE, NOW)


def test_nothing_stored_has_no_window(own):
    made, asked = own
    assert PageContext(made.reader, made.directory, FakeClock(NOW)).fitted_window() is None
    assert "No data yet" in asked.text("/")


def test_steps_of_seconds_are_weighted(own):
    """One kept extraction of weight 20 and one of weight 1 in a step stand for 21."""
    made, _ = own
    begin = NOW - NOW % (10 * NS)
    made.write("trace", kept(1, begin, 30_000_000, policy="baseline"), kept(2, begin + NS, 150_000_000, policy="slow"))
    stored = PageContext(made.reader, made.directory, FakeClock(NOW))
    (step,) = finer_steps(stored, (begin, begin + 5 * MINUTE), None, None).steps
    assert step.extractions == 21
    assert step.per_s == pytest.approx(2.1)
    assert step.slow_ratio == pytest.approx(1 / 21)
    assert step.p95_ns == 30_000_000
    assert finer_steps(stored, (begin, begin + HOUR), None, None) is None
