"""A trace's page: waterfall, why, links."""

from __future__ import annotations

import pytest

from otel_fe.dashboard.trace_view import in_short, trace_view
from otel_fe.dashboard.waterfall import waterfall
from tests.unit.dashboard.conftest import NOW
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
    assert sorted(row.name for row in waterfall(spans, {})) == [f"s{span}" for span in parents]


def test_damaged_spans_have_no_rows():
    assert waterfall(b"\xff\xff\xff", {}) == ()
    assert waterfall(b"", {}) == ()


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
