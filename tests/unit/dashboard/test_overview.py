"""The overview: exact counts, a score that can be checked, what is wrong, and what to do."""

from __future__ import annotations

import json

import pytest

from otel_fe.dashboard.health import WEIGHTS, health
from otel_fe.dashboard.overview import overview
from otel_fe.dashboard.view_address import ViewAddress
from otel_fe.model.edges import EDGES
from otel_fe.model.metric import Buckets, Metric, Point, ResourceMetrics
from otel_fe.semconv import DURATION
from tests.unit.dashboard.conftest import NOW
from tests.unit.dashboard.seeded import kept


def test_its_figures_are_the_store_s_sums(stored):
    """Counts are those of every extraction, not of the traces that were kept."""
    found = overview(stored, ViewAddress(range="6h"))
    good, total = stored.reader.sums.good_and_total("latency", 0, NOW)
    assert (found["figures"].extractions, found["figures"].slow) == (total, total - good)
    assert found["figures"].slow_ratio == (total - good) / total
    assert sum(one.extractions for one in found["over_time"].steps) == total


def test_a_p95_never_contradicts_the_count_of_slow_ones(stored):
    """More than 5 % at 100 ms or more is shown as 100 ms or more, whatever a bucket's width is."""
    for address in (
        ViewAddress(range="6h", feature_set="user_profile"),
        ViewAddress(range="6h", feature_set="session"),
    ):
        figures = overview(stored, address)["figures"]
        assert (figures.p95_ns >= 100_000_000) == (figures.slow * 20 > figures.extractions)


def test_groups_can_be_chosen(stored):
    found = overview(stored, ViewAddress(range="6h", service="ranking"))
    assert [(one["service"], one["feature_set"]) for one in found["groups"]] == [("ranking", "session")]
    assert found["figures"].extractions == stored.reader.sums.good_and_total("latency", 0, NOW, "ranking")[1]


def test_the_most_expensive_cause_is_the_first_to_be_advised_on(stored):
    found = overview(stored, ViewAddress(range="15m", feature_set="user_profile"))
    assert found["recommendations"][0]["cause"] == "pool_wait"
    assert "who holds connections" in found["recommendations"][0]["action"]
    assert found["recommendations"][0]["p95_without_ns"] < found["recommendations"][0]["p95_ns"]


def test_a_budget_that_burns_is_an_alert(stored):
    alerts = overview(stored, ViewAddress(range="1h"))["alerts"]
    assert {(one.slo, one.feature_set) for one in alerts} == {("latency", "user_profile")}
    assert all(one.detail for one in alerts)


def test_a_window_without_anything_says_so(asked):
    page = asked.text("/?since=1000&until=2000")
    assert "No extractions in this window" in page
    assert "Nothing was counted in this window." in page


def test_traces_that_are_there_before_their_counts_are_pointed_at(own):
    bed, asked = own
    bed.write("trace", kept(0x100, NOW - 10**10, 150_000_000))
    assert "exact counts follow within a minute" in asked.text("/")


def test_a_store_that_is_not_there_yet_says_what_to_do(tmp_path):
    from otel_fe.collector.servers.endpoints import Endpoint
    from otel_fe.dashboard.access import Access
    from otel_fe.dashboard.page_context import PageContext
    from otel_fe.dashboard.site import Site
    from otel_fe.store import StoreReader
    from tests.unit.dashboard.conftest import Asked

    with StoreReader(tmp_path / "none") as reader:
        asked = Asked(Site(PageContext(reader, tmp_path / "none"), Access(Endpoint("localhost", 1))))
        for path in ("/", "/explore", "/slo", "/resources", "/policies", f"/trace/{1:032x}"):
            assert "otel-fe collector --config" in asked.text(path)


def test_its_json_is_the_same_data(asked, stored):
    answer = asked.answer("/overview.json?range=6h")
    told = json.loads(answer.body)
    assert answer.content_type == "application/json"
    assert told["figures"]["extractions"] == overview(stored, ViewAddress(range="6h"))["figures"].extractions


def test_the_score_is_the_weighted_mean_of_its_parts():
    found = health(
        {"latency": (900, 1000), "error_rate": (1000, 1000), "cache_hit_rate": (0, 0), "memory": (1000, 1000)}
    )
    assert sum(part.weight for part in found.parts) == pytest.approx(1)
    assert found.score == pytest.approx(sum(part.weight * part.points for part in found.parts))
    latency = next(part for part in found.parts if part.name == "latency")
    assert latency.points == pytest.approx(50)  # 10 % bad, 5 % allowed
    assert latency.weight == pytest.approx(WEIGHTS["latency"] / 80)  # nothing is known of the cache
    assert found.status == "unhealthy" if found.score < 70 else "degraded"


@pytest.mark.parametrize(
    ("counts", "status"), [({}, "no data"), ({"memory": (99, 100)}, "unhealthy"), ({"latency": (95, 100)}, "healthy")]
)
def test_its_status_follows(counts, status):
    """Exactly 95 % below 100 ms meets the objective; a single gigabyte too much does not."""
    assert health(counts).status == status


def test_a_broken_requirement_is_never_healthy():
    found = health(dict.fromkeys(WEIGHTS, (10_000, 10_000)) | {"error_rate": (9_899, 10_000)})
    assert found.score == 89
    assert found.status == "degraded"


@pytest.mark.parametrize(
    ("firing", "score", "status"),
    [((), 100, "healthy"), (("ticket",), 89, "degraded"), (("page", "page", *["ticket"] * 4), 69, "unhealthy")],
)
def test_what_fires_is_not_healthy(firing, score, status):
    """Every requirement is met over the window, and the last minutes burn the budget: two pages and four tickets are no 100."""
    found = health(dict.fromkeys(WEIGHTS, (10_000, 10_000)), firing)
    assert (found.score, found.status) == (score, status)
    assert sum(found.firing.values()) == len(firing)


def test_the_page_s_score_agrees_with_its_alerts(stored):
    """The budget burns now; a window of the past is judged by what was counted in it."""
    now = overview(stored, ViewAddress(range="1h", feature_set="user_profile"))
    severities = {one.severity for one in now["alerts"]}
    assert severities
    assert now["health"].score <= (69 if "page" in severities else 89)
    assert now["health"].status != "healthy"
    since, until = (NOW - 55 * 60 * 10**9) // 10**6, (NOW - 40 * 60 * 10**9) // 10**6
    past = overview(stored, ViewAddress(since=f"{since}", until=f"{until}", feature_set="user_profile"))
    assert past["health"].firing == {}


def test_errors_without_anything_slow_are_advised_on_as_errors(own):
    """40 % of 1000 fail within 50 ms: the advice names the error, and no cause of slowness."""
    bed, asked = own
    labels = {"feature_extraction.feature_set": "user"}
    begin, end = NOW - 120 * 10**9, NOW - 60 * 10**9
    edges = tuple(float(edge) for edge in EDGES[DURATION])
    counts = tuple(1 if edge == 0.05 else 0 for edge in edges) + (0,)

    def durations(count, **more):
        value = Buckets(count, 0.05 * count, edges, tuple(count * one for one in counts), 0.05, 0.05)
        return Point(labels | {name.replace("__", "."): told for name, told in more.items()}, begin, end, value)

    events = [
        Point(labels | {"slo": slo, "good": good}, begin, end, count)
        for slo, pairs in {"latency": ((True, 1000),), "error_rate": ((True, 600), (False, 400))}.items()
        for good, count in pairs
    ]
    metrics = (
        Metric(
            DURATION,
            "s",
            True,
            (durations(600), durations(300, error__type="KeyError"), durations(100, error__type="OSError")),
        ),
        Metric("feature_extraction.slo.events", "{extraction}", True, tuple(events)),
    )
    bed.points(ResourceMetrics({"service.name": "shop"}, "otel_fe", metrics))
    bed.write("trace", kept(0x200, NOW - 90 * 10**9, 50_000_000))
    found = overview(asked.site._stored, ViewAddress(range="15m"))
    assert [one["cause"] for one in found["recommendations"]] == ["errors"]
    page = asked.text("/?range=15m")
    assert "40 % of extractions fail, 75 % of them KeyError" in page
    assert "of the time of slow extractions" not in page
