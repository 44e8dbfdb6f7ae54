"""A trace's page: waterfall, why, links."""

from __future__ import annotations

import re

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from otel_fe.dashboard.trace_view import in_short, trace_view
from otel_fe.dashboard.waterfall import waterfall
from otel_fe.store import decoded_trace
from otel_fe.store.decoded_trace import DecodedTrace
from tests.unit.dashboard import traces
from tests.unit.dashboard.conftest import NOW, Elements
from tests.unit.dashboard.seeded import kept, record
from tests.unit.store.parts import otlp


def test_a_trace_is_told_whole(own):
    bed, asked = own
    bed.write("trace", kept(0xABC, NOW - 10**10, 231_000_000))
    found = trace_view(asked.site._stored, f"{0xABC:032x}")
    assert [(row.name, row.depth, row.kind) for row in found["rows"]] == [
        ("GET /features", 0, "server"),
        ("feature_extraction user_profile", 1, "extraction"),
        ("GET", 2, "cache"),
        ("SELECT features", 2, "database"),
    ]
    extraction = found["rows"][1]
    assert extraction.notes[0] == "cache: 1 of 3 look-ups hit in 2.1 ms"
    assert extraction.notes[1].startswith("pool primary: waited 139 ms")
    assert sum(ns for _, ns in extraction.split) == 231_000_000
    assert found["why"] == "kept by `slow`: 231 ms ≥ 100 ms, weight 1"
    page = asked.text(f"/trace/{0xABC:032x}")
    assert f'href="http://localhost:16686/trace/{0xABC:032x}"' in page
    assert "kept by `slow`: 231 ms ≥ 100 ms, weight 1" in page


def test_a_trace_that_was_not_kept_says_why_not(own):
    bed, asked = own
    bed.write("record", record(5, 20_000_000, time_ns=NOW, sampled=False))
    page = asked.text(f"/trace/{5:032x}")
    assert "This trace was not kept" in page
    assert "20 ms &lt; 100 ms" in page


def test_an_unknown_one_is_not_found(asked):
    assert asked.answer(f"/trace/{77:032x}").status == 404
    assert asked.answer("/trace/xyz").status == 400
    assert asked.answer("/trace/../../etc/passwd").status == 400


@pytest.mark.parametrize("parents", [{1: 2, 2: 1}, {1: 1}, {1: 99, 2: 99}, {1: 2, 2: 3, 3: 1, 4: 3}])
def test_every_span_has_one_row_whatever_its_parents(parents):
    """Orphans and circles too."""
    spans = otlp(*((1, span, parent, f"s{span}", {}) for span, parent in parents.items()))
    assert sorted(row.name for row in waterfall(DecodedTrace(spans), {}, {}).rows) == [f"s{span}" for span in parents]


def test_damaged_spans_have_no_rows():
    for damaged in (b"\xff\xff\xff", b""):
        assert waterfall(DecodedTrace(damaged), {}, {}).rows == ()


def test_a_decision_whose_policy_has_no_vote_is_still_told():
    assert (
        in_short({"sampled": True, "policy": "late", "weight": None, "votes": []}) == "kept by `late`, weight unknown"
    )
    assert in_short({"sampled": False, "outcome": "dropped by noise"}) == "dropped by noise"


def test_secrets_in_attributes_are_not_shown(own):
    bed, asked = own
    secrets = {
        "http.request.header.authorization": "Bearer sesame-1",
        "db.query.parameter.0": "sesame-2",
        "app.api_key": "sesame-3",
        "session.token": "sesame-4",
    }
    bed.write(
        "trace", kept(0xABD, NOW - 10**10, 231_000_000, attributes=secrets), kept(0xABE, NOW - 10**10, 20_000_000)
    )
    for path in (
        f"/trace/{0xABD:032x}",
        f"/trace/{0xABD:032x}.json",
        "/explore?low=100",
        "/explore.json?low=100",
        "/overview.json",
    ):
        assert "sesame" not in asked.text(path)


def test_the_main_cause_is_told_with_its_line_and_the_split_on_top(own):
    bed, asked = own
    bed.write("trace", traces.kept(traces.n_plus_one(), start_ns=NOW - 10**10, splits=traces.N_PLUS_ONE_SPLIT))
    found = trace_view(asked.site._stored, f"{1:032x}")
    main = found["main"]
    assert (main.cause, main.line, main.function, main.line_ns) == ("lock", "shop/cache.py:31", "Cache.get", 74_000_000)
    assert sum(ns for _, ns in main.split) == main.duration_ns == 168_000_000
    assert [(one.call.name, one.count) for one in main.repeated] == [("SELECT … item", 150)]
    page = asked.text(f"/trace/{1:032x}")
    words = " ".join(re.sub("<[^>]*>", " ", page).split())
    assert "Main cause Lock : Cache.get in shop/cache.py:31 , 74 ms of 168 ms" in words
    assert f"150 {traces.TIMES} SELECT … item , one after another: 73.5 ms of 168 ms" in words
    assert "at 2 ms, 87 ms long: 74 ms lock, shop/cache.py:31 Cache.get" in words
    assert page.index('id="line"') < page.index('class="fall"'), "the cause stands on top"


def test_a_fast_failing_trace_is_told_by_its_error(own):
    bed, asked = own
    bed.write("trace", traces.kept(traces.failing(), trace_id=2, start_ns=NOW - 10**10))
    page = asked.text(f"/trace/{2:032x}")
    words = " ".join(re.sub("<[^>]*>", " ", page).split())
    assert "psycopg.errors.QueryCanceled in SELECT shop : load in /srv/shop/features.py:31" in words
    assert 'id="cause"' not in page
    assert not re.search("main cause|no cause", words, re.IGNORECASE)
    assert trace_view(asked.site._stored, f"{2:032x}")["cause_name"] == ""


def test_a_span_among_many_is_opened_without_a_script(own):
    """The address alone opens a span; an unknown one changes nothing."""
    bed, asked = own
    bed.write("trace", traces.kept(traces.n_plus_one(), start_ns=NOW - 10**10, splits=traces.N_PLUS_ONE_SPLIT))
    url = f"/trace/{1:032x}"
    elements = Elements(asked.text(url))
    links = [one["href"] for one in elements.all("a") if "span=" in one.get("href", "")]
    wanted = next(link for link in links if link.endswith(f"#s-{100:016x}"))
    opened = Elements(asked.text(wanted.partition("#")[0]))
    assert f"s-{100:016x}" in [one.get("id") for one in opened.all("li")]
    assert [one for one in opened.all("details") if "open" in one]
    for span in ("zz", f"{9_999:016x}", "0" * 17):
        assert f"150 {traces.TIMES}" in re.sub("<[^>]*>", "", asked.text(f"{url}?span={span}"))


def test_a_page_of_rows_that_is_not_there_is_the_last(own):
    bed, asked = own
    wide = traces.S("top", 0, 900, [traces.S(f"step {n}", n, n + 1) for n in range(900)])
    bed.write("trace", traces.kept(wide, start_ns=NOW - 10**10))
    assert "Page 3 of 3" in asked.text(f"/trace/{1:032x}?page=77")
    assert "Page 1 of 3" in asked.text(f"/trace/{1:032x}")


def test_the_spans_of_a_trace_are_read_once(own, monkeypatch):
    bed, asked = own
    bed.write("trace", traces.kept(traces.n_plus_one(), start_ns=NOW - 10**10, splits=traces.N_PLUS_ONE_SPLIT))
    read = []
    original = TracesData.FromString
    monkeypatch.setattr(
        decoded_trace, "TracesData", type("Counting", (), {"FromString": lambda body: read.append(1) or original(body)})
    )
    found = trace_view(asked.site._stored, f"{1:032x}")
    assert found["code"] is not None
    assert len(read) == 1


def test_the_plan_of_a_slow_statement_stands_with_its_span(own):
    """A plan comes from an event of the span, or from a log record, which is then not shown as a log line."""
    bed, asked = own
    plan = "Seq Scan on item  (cost=0.00..1.00 rows=1 width=4)\n  Filter: (id = $1)"
    logged = LogsData()
    record = logged.resource_logs.add().scope_logs.add().log_records.add(event_name="feature_extraction.plan", span_id=(2).to_bytes(8, "big"))  # fmt: skip
    record.body.string_value = "SCAN other"
    calls = [traces.sql(1, 60, plan=None), traces.sql(60, 99, "SELECT x FROM other", plan=plan)]
    trace = traces.S("feature_extraction prices", 0, 100, calls)
    bed.write("trace", traces.kept(trace, start_ns=NOW - 10**10, logs=logged.SerializeToString()))
    found = trace_view(asked.site._stored, f"{1:032x}")
    assert [row.plan for row in found["rows"]] == ["", "SCAN other", plan]
    assert found["logs"] == []
    assert all(not row.events for row in found["rows"])
    words = re.sub("<[^>]*>", "", asked.text(f"/trace/{1:032x}"))
    assert "plan: Seq Scan on item" in words
    assert "Filter: (id = $1)" in words
