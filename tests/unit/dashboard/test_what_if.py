"""The page's what-if questions: another hit rate and another pool size, with their assumptions, or the reason for no answer."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import quote, urlencode

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_fe.capacity.pool_traffic import pools_of, variability
from otel_fe.dashboard.view_address import ViewAddress
from otel_fe.dashboard.what_if import what_if
from otel_fe.store import Selection
from otel_fe.store.distribution import Distribution
from tests.unit.dashboard.conftest import NOW, Elements
from tests.unit.dashboard.seeded import kept, pool_metrics
from tests.unit.store.parts import HOUR, MINUTE

MS = 1_000_000
WINDOW = (NOW - HOUR, NOW)


def asked_of(asked, **address):
    """Return the only answer to a question."""
    (answer,) = what_if(asked.site._stored, ViewAddress(**address), WINDOW)["answers"]
    return answer


def traces(bed, *durations_ms, **more):
    """Store kept traces; those of 100 ms and above missed, and waited for a pool most of the time."""
    bed.write(
        "trace",
        *(
            kept(0x1000 + n, NOW - MINUTE + n, round(ms * MS), policy="slow", **more)
            for n, ms in enumerate(durations_ms)
        ),
    )


def used(minutes=range(3, 9), **more):
    """Return the metrics that a pool reported in some minutes, counted back from now."""
    return [one for n in sorted(minutes, reverse=True) for one in pool_metrics(NOW - n * MINUTE, **more)]


def test_another_hit_rate_reweighs_the_kept_ones(own):
    """Ninety hit in 10 to 98 ms, ten missed: at 60 % they have 40 % of the weight, and p95 lies among them."""
    bed, asked = own
    traces(bed, *(10 + n * 0.97 for n in range(90)), *(200 + 10 * n for n in range(10)))
    found = asked_of(asked, hit_rate="60")["outcome"]
    assert found.now.quantile_ns == 240 * MS
    assert found.then.quantile_ns == 280 * MS
    assert found.then.under_share == pytest.approx(0.6)
    assert "90 % by weight" in found.arithmetic[0]
    assert "\u00d7 60 % / 90 % = 0.667, each that missed \u00d7 40 % / 10 % = 4" in found.arithmetic[1]
    assert found.confidence == "low"  # a hundred are few, and nothing was counted
    same = asked_of(asked, hit_rate="90 %")["outcome"]
    assert same.then == same.now


def test_another_pool_size_takes_the_wait_away(stored, asked):
    """The seeded pool is 82 % busy: with one more connection its callers wait about half as long, with ten more not at all."""
    address = ViewAddress(range="1h", feature_set="user_profile", pool_size="6")
    found = asked_of(asked, range="1h", feature_set="user_profile", pool_size="6")["outcome"]
    assert "205 requests/s \u00d7 20 ms use = 4.1 connections busy on average, of 5: 82 %" in found.arithmetic[0]
    assert found.then.quantile_ns <= found.now.quantile_ns
    (more,) = what_if(stored, replace(address, pool_size="15"), WINDOW)["answers"]
    assert more["outcome"].then.under_share >= found.then.under_share >= found.now.under_share
    (same,) = what_if(stored, replace(address, pool_size="5"), WINDOW)["answers"]
    assert same["outcome"].then.quantile_ns == pytest.approx(same["outcome"].now.quantile_ns, abs=2)


def test_waits_that_queueing_theory_expects_are_believed(own):
    """Many extractions, counted and kept alike, and a pool that waits as expected: then it is sure of itself, but not of less."""
    bed, asked = own
    traces(bed, *(20 + n % 60 for n in range(2_000)), *(101 + n for n in range(60)))
    bed.write("metrics", [one for n in range(2, 40) for one in pool_metrics(NOW - n * MINUTE)])
    found = asked_of(asked, pool_size="7")["outcome"]
    assert found.confidence == "medium"  # nothing was counted
    assert any("was seen" in one for one in found.because)
    assert "13.5 ms was seen" in str(found.because)
    assert "theory alone" not in str(found.because)
    # In two processes the load would be half of what the waits tell of: the theory is about another pool.
    assert "theory does not describe this pool" in refused(asked, pool_size="7", processes="2")
    assert "2.05 of 5 connections busy on average in each of 2 processes" in refused(
        asked, pool_size="7", processes="2"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("hit_rate", text) for text in ("xx", "-3", "101", "1e2", "nan", "inf", "70,5", "<script>", "\u0664")),
        *(("pool_size", text) for text in ("0", "-1", "2.5", "10001", "99999999999999", "viele", "NaN", "\u0664")),
    ],
)
def test_what_cannot_be_read_is_said_on_the_page(asked, name, value):
    """An invalid value is reported with the valid form, and the rest of the page is shown."""
    page = asked.text("/resources?" + urlencode({name: value}))
    assert "that cannot be read" in page
    assert "Cache look-ups" in page
    assert ("from 0 to 100, for example 85" if name == "hit_rate" else "from 1 to 10000") in page
    assert "<script>" not in page.replace('<script src="/static', "")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ({"pool_size": "5", "processes": "0"}, "use a whole number of processes"),
        ({"pool_size": "5", "pool": "nonsense"}, "use one that was used in this window: primary of feature-service"),
    ],
)
def test_so_is_a_wrong_pool_or_number_of_processes(asked, address, said):
    assert said in asked_of(asked, **address)["problem"]


def test_a_question_stands_in_the_address(asked):
    """The form sends the question by GET together with the filters; links to other filters keep it; the answer stays in place."""
    page = asked.text("/resources?range=6h&hit_rate=85&pool_size=8&feature_set=user_profile")
    elements = Elements(page)
    form = next(one for one in elements.all("form") if one.get("class") == "questions")
    assert (form["method"], form["action"]) == ("get", "/resources#try")
    values = {one.get("name"): one.get("value") for one in elements.all("input")}
    assert {"range": "6h", "hit_rate": "85", "pool_size": "8"}.items() <= values.items()
    assert "data-live-every" not in page
    assert any("hit_rate=85" in one.get("href", "") and "range=7d" in one["href"] for one in elements.all("a"))
    assert "hit_rate" not in next(one["href"] for one in elements.all("a") if one.get("href", "").startswith("/slo"))


def test_its_json_has_the_answers(asked):
    told = json.loads(asked.answer("/resources.json?hit_rate=85&pool_size=8").body)["what_if"]
    assert [one["name"] for one in told["answers"]] == ["hit_rate", "pool_size"]
    assert all(one["outcome"]["then"]["quantile_ns"] > 0 for one in told["answers"])


def refused(asked, **address):
    answer = asked_of(asked, **address)
    assert answer["outcome"] is None
    return answer["refused"]


def test_without_pools_that_tell_of_themselves_there_is_no_answer(own):
    bed, asked = own
    traces(bed, 50, 150)
    assert "No pool reported its use" in refused(asked, pool_size="5")
    assert "No pool reported its use" in asked.text("/resources?pool_size=5")


def test_without_a_bound_or_many_requests_there_is_none(own):
    bed, asked = own
    traces(bed, 50, 150)
    bed.write("metrics", [pool_metrics(NOW - 3 * MINUTE)[0]])
    assert "has no known size limit" in refused(asked, pool_size="5")
    bed.write("metrics", pool_metrics(NOW - 3 * MINUTE, "small", requests=50))
    traces(bed, 150, service="small")
    assert "used only 50 times" in refused(asked, pool_size="5", service="small")


def test_a_pool_is_judged_by_whole_minutes_of_use(own):
    """The first and the last are not: of fewer than three nothing is said. Minutes without use do not count."""
    bed, asked = own
    traces(bed, 50, 150)
    bed.write("metrics", used([8, 9]))
    assert "used in less than three minutes" in refused(asked, pool_size="7")
    bed.write("metrics", used([3, 4, 5], requests=12_000))
    (pool,) = pools_of(asked.site._stored.reader.series, WINDOW, None)
    assert pool.rate == pytest.approx((12_300 + 2 * 12_000) / 180)
    assert asked_of(asked, pool_size="7")["outcome"]


def test_where_nobody_waited_there_is_nothing_to_change(own):
    bed, asked = own
    traces(bed, 50, 60)
    bed.write("metrics", used())
    assert "waited for a pool" in refused(asked, pool_size="7")


def test_a_pool_that_holds_its_callers_back_has_no_answer(own):
    """A saturated pool has no answer, nor has one that would be overloaded; two processes have half of the load each."""
    bed, asked = own
    traces(bed, 50, 150)
    bed.write(
        "metrics", [one for n in range(3, 9) for one in pool_metrics(NOW - n * MINUTE, requests=14_900, wait_s=0.002)]
    )
    assert "saturated" in refused(asked, pool_size="9")
    found = asked_of(asked, pool_size="4", processes="2")["outcome"]
    assert "2 processes" in found.arithmetic[0]
    assert "theory alone" in str(found.because)  # it is smaller
    assert "Ask for 3 or more" in refused(asked, pool_size="2", processes="2")


def test_without_weights_there_is_none(own):
    """With unknown weights the question is refused, as kept traces are no sample of all traces."""
    bed, asked = own
    unknown = [replace(kept(0x5000 + n, NOW - MINUTE, 150 * MS), weight=None) for n in range(3)]
    traces(bed, *range(20, 90))
    bed.write("trace", *unknown)
    assert "have an unknown weight" in refused(asked, hit_rate="50")


def test_a_few_unknown_weights_are_left_out(own):
    bed, asked = own
    traces(bed, *(20 + n % 150 for n in range(300)))
    bed.write("trace", replace(kept(0x5000, NOW - MINUTE, 150 * MS), weight=None))
    found = asked_of(asked, hit_rate="50")["outcome"]
    assert "1 left out: their weight is not known" in found.because
    assert asked.site._stored.reader.observed(Selection(*WINDOW), limit=10).total == 301


def test_without_hits_or_traces_there_is_none(own):
    bed, asked = own
    traces(bed, 150, 250)
    assert "the duration of one that does is unknown" in refused(asked, hit_rate="50")
    assert "No extraction of this group" in refused(asked, hit_rate="50", feature_set="nobody")


def test_only_the_part_of_the_wait_that_was_for_the_pool_changes(own):
    """Two pools of a service, waited for alike: the answer says so."""
    bed, asked = own
    traces(bed, 50, *range(101, 160))
    for name in ("primary", "replica"):
        bed.write("metrics", [_renamed(one, name) for one in used()])
    found = asked_of(asked, pool_size="9", pool="replica of feature-service")["outcome"]
    assert "Of all recorded waits 50 % were for this pool" in found.arithmetic[-1]


def _renamed(told, name):
    labels = {"db.client.connection.pool.name": name}
    if hasattr(told, "labels"):
        return replace(told, labels=labels)
    metrics = [replace(one, points=[replace(p, attributes=labels) for p in one.points]) for one in told.metrics]
    return replace(told, metrics=metrics)


def test_hostile_names_stay_text(own):
    bed, asked = own
    traces(bed, 150)
    bed.write("metrics", [_renamed(one, '"><script>alert(1)</script>') for one in pool_metrics(NOW - 3 * MINUTE)])
    page = asked.text("/resources?pool_size=9&pool=" + quote("</select><script>x</script>"))
    assert "<script>alert" not in page
    assert "<script>x" not in page


@pytest.mark.parametrize("processes", [3, 20])
def test_processes_are_those_that_kept_traces_name(own, processes):
    """Processes are counted by `service.instance.id`: three of them share the requests. Where most traces are from others, it asks."""
    bed, asked = own
    for n in range(30):
        trace = kept(0x9000 + n, NOW - MINUTE, 150 * MS)
        request = ExportTraceServiceRequest.FromString(trace.spans)
        request.resource_spans[0].resource.attributes.add(
            key="service.instance.id"
        ).value.string_value = f"p{n % processes}"
        bed.write("trace", replace(trace, spans=request.SerializeToString()))
    bed.write("metrics", used(requests=36_900))
    if processes == 20:
        assert "Say in how many processes" in refused(asked, pool_size="9")
        assert "in each of 20 processes" in refused(asked, pool_size="9", processes="20")
    else:
        assert "205 requests/s in each of 3 processes" in asked_of(asked, pool_size="9")["outcome"].arithmetic[0]


def test_pools_are_read_as_they_were_told(stored):
    (pool,) = pools_of(stored.reader.series, WINDOW, None)
    assert (pool.label, pool.size) == ("primary of feature-service", 5)
    assert pool.rate == pytest.approx(205)
    assert pool.use_s == pytest.approx(0.02)
    assert pool.wait_s == pytest.approx(0.0135)
    assert pool.use_variability == pytest.approx(1.0, abs=0.2)
    assert pools_of(stored.reader.series, WINDOW, "ranking") == []
    assert variability(Distribution()) == 1.0
