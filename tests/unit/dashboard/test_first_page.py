"""The first page begins with why each feature set is slow, and lists an incident once."""

from __future__ import annotations

import pytest

from otel_fe.dashboard.alert_list import ShownAlert
from otel_fe.dashboard.overview import overview
from otel_fe.dashboard.reasons import FeatureSetReason, reason_of
from otel_fe.dashboard.shown_incidents import incidents_of
from otel_fe.dashboard.view_address import ViewAddress
from otel_fe.pipeline.causes import Cause
from otel_fe.pipeline.explanation import explain
from otel_fe.store import Selection
from tests.unit.dashboard.conftest import NOW, Elements
from tests.unit.dashboard.seeded import MINUTE, kept, metrics


def alert(feature_set="user", slo="latency", severity="ticket", service="shop", **more):
    return ShownAlert(more.pop("title", f"{slo} budget burns"), severity, service, feature_set, "words", slo, **more)


def reason(feature_set, cause, line="features.py:3 f"):
    told = explain(feature_set, 120e6, [Cause(cause, 1e9, 0.8, 10_000_000, 0.8)], lines={cause: line}, slow=10)
    return FeatureSetReason("shop", feature_set, told, None, ({"action": f"Do something about {cause}."},))


def test_the_sentence_of_a_feature_set_is_the_one_that_explain_says(stored, asked):
    """The worst first, with its action and a link to its slowest trace."""
    address = ViewAddress(range="15m")
    found = overview(stored, address)
    figures = {one["feature_set"]: one["figures"] for one in found["groups"]}
    first = found["why"].sentences[0]
    told = figures["user_profile"]
    group = ("feature-service", "user_profile")
    expected = reason_of(stored, address.window(NOW), group, told.p95_ns, told.slow)
    assert (first.service, first.feature_set) == group
    assert first.text == str(expected.explanation)
    assert first.action == expected.advice[0]["action"]
    slow = Selection(*address.window(NOW), *group, min_duration_ns=100_000_000)
    slowest = stored.reader.traces.find(slow, order="slowest", limit=1)[0]
    assert first.slowest == f"{slowest.trace_id:032x}"
    page = asked.text("/?range=15m")
    assert page.index(first.words) < page.index(">p95 latency</span></h2>")
    links = [one.get("href", "") for one in Elements(page).all("a")]
    assert f"/trace/{first.slowest}?range=15m" in links
    assert "/explore?range=15m&service=feature-service&feature_set=user_profile&low=100.000000" in links


def test_the_parts_of_a_sentence_make_up_the_whole(stored):
    for one in overview(stored, ViewAddress(range="6h"))["why"].sentences:
        assert one.text == f"{one.feature_set}: {one.figures}, {one.words}" + (f" ({one.line})" if one.line else "")


def test_only_the_worst_feature_sets_have_a_sentence(own):
    """Seven are slow and one is not: five sentences, two more, and the quiet one is named."""
    made, asked = own
    for number in range(7):
        counted = metrics(NOW - NOW % MINUTE - MINUTE, "shop", f"slow_{number}", 100, 10 + number, 0, 0)
        made.write("metrics", [counted])
    made.write("metrics", [metrics(NOW - NOW % MINUTE - MINUTE, "shop", "quiet", 100, 0, 0, 0)])
    made.write("trace", kept(1, NOW - MINUTE, 150_000_000, "shop", "slow_6"))
    why = overview(asked.site._stored, ViewAddress(range="15m"))["why"]
    assert [one.feature_set for one in why.sentences] == [f"slow_{n}" for n in (6, 5, 4, 3, 2)]
    assert (why.more, why.quiet) == (2, ("quiet",))
    assert why.sentences[1].words == "no kept trace says why"
    page = asked.text("/?range=15m")
    assert "2 more with slow extractions" in page
    assert "Nothing took 100 ms or more in quiet." in page


def test_alerts_of_a_feature_set_are_one_incident():
    """Two windows of one SLO and the errors of the same minute: one entry with three alerts, led by its page."""
    alerts = [alert(severity="page"), alert(), alert(slo="error_rate")]
    (found,) = incidents_of(alerts, {("shop", "user"): reason("user", "downstream")})
    assert (found.severity, found.subject, found.title) == ("page", "user", "latency budget burns")
    assert found.alerts == tuple(alerts)
    assert found.cause == "80 % of slow time in calls to other services"
    assert (found.line, found.action) == ("features.py:3 f", "Do something about downstream.")


def test_a_cause_of_the_whole_process_is_one_incident():
    """A pool that is too small slows two feature sets; a slow database behind each of them would be two incidents."""
    alerts = [alert("a"), alert("b")]
    for cause, entries in (("pool_wait", 1), ("downstream", 2)):
        reasons = {("shop", name): reason(name, cause, f"{name}.py:1 f") for name in "ab"}
        assert len(incidents_of(alerts, reasons)) == entries


def test_an_incident_that_is_all_silenced_comes_last(stored):
    silenced = alert("a", severity="page", silence=object())
    found = incidents_of([alert("b"), silenced], {})
    assert [(one.subject, one.severity, one.silenced) for one in found] == [("b", "ticket", 0), ("a", "ticket", 1)]


@pytest.mark.parametrize("path", ["/", "/alerts"])
def test_a_page_lists_each_incident_once_and_advice_before_alerts(asked, stored, path):
    alerts = overview(stored, ViewAddress(range="1h"))["alerts"]
    assert len(alerts) > 1
    page = asked.text(f"{path}?range=1h")
    assert page.count("<details><summary>2 alerts") == 1
    assert "user_profile: latency" in page
    assert "Likely cause:" in page
    if path == "/":
        assert page.index('id="advice"') < page.index('id="alerts"')
