"""Assistants get the figures of the pages, bounded, with links, and no attribute of a span."""

from __future__ import annotations

import json

import pytest

from otel_fe.dashboard.figures import figures_of
from otel_fe.errors import OtelFeError
from otel_fe.mcp.bounds import MOST_BYTES, bounded


def test_what_is_slow_has_the_exact_figures_of_the_page(answers):
    found = answers.slow(None, None, None)
    window = answers.context.fitted_window()
    assert {(one["service"], one["feature_set"]) for one in found["feature_sets"]} == {
        ("feature-service", "user_profile"), ("feature-service", "image_embedding"), ("ranking", "session"),
    }  # fmt: skip
    for one in found["feature_sets"]:
        figures, _ = figures_of(answers.context, window, one["service"], one["feature_set"])
        assert (one["extractions"], one["took_100_ms_or_more"], one["p95_ms"]) == (
            figures.extractions, figures.slow, figures.p95_ns / 1e6,
        )  # fmt: skip
        assert one["sentence"].startswith(f"{one['feature_set']}: p95 ")
        assert one["page"].startswith("http://localhost:8899/explore?since=")


def test_why_ranks_causes_and_links_to_kept_traces(answers):
    found = answers.why("user_profile", None, None)
    costs = [one["share_it_costs"] for one in found["causes"]]
    assert costs == sorted(costs, reverse=True)
    assert found["cause"] == found["causes"][0]["cause"]
    assert found["what_to_do"]
    durations = [one["duration_ms"] for one in found["slowest_kept_traces"]]
    assert durations == sorted(durations, reverse=True)
    assert len(durations) == 3
    assert found["slowest_kept_traces"][0]["page"].startswith("http://localhost:8899/trace/")


def test_a_trace_says_its_cause_spans_and_decision_and_no_attributes(answers):
    trace_id = answers.why("user_profile", None, None)["slowest_kept_traces"][0]["trace_id"]
    found = answers.trace(trace_id)
    assert found["kept"]
    assert found["decision"].startswith("kept by `slow`")
    split = found["main_cause"]["time_by_cause_ms"]
    assert sum(split.values()) == pytest.approx(found["main_cause"]["duration_ms"])
    assert found["longest_spans"][0]["depth"] == 0
    said = json.dumps(found)
    assert "db.statement" not in said
    assert "2.4.1" not in said, "an attribute of the resource"


def test_what_is_not_there_is_said_with_what_is(answers):
    assert "user_profile" in answers.why("user_profil", None, None)["note"]
    assert "ranking" in answers.slow(None, "rankin", None)["note"]
    assert answers.trace("f" * 32)["note"]
    with pytest.raises(OtelFeError, match="32 hexadecimal digits"):
        answers.trace("../../etc/passwd")


def test_objectives_say_what_is_left(answers):
    found = answers.slos("latency", None, "user_profile")["objectives"]
    assert [(one["slo"], one["feature_set"]) for one in found] == [("latency", "user_profile")]
    assert found[0]["budget_remaining_ratio"] <= 1
    assert found[0]["bad"] <= found[0]["total"]
    assert "latency" in answers.slos("latenzy", None, None)["note"]


def test_another_pool_is_predicted_with_its_confidence_or_refused_with_a_reason(answers):
    (found,) = answers.what_if(None, "feature-service", {"pool_size": "10"})["answers"]
    assert found["p95_then_ms"] <= found["p95_now_ms"]
    assert found["confidence"] in {"high", "medium", "low"}
    (refused,) = answers.what_if(None, None, {"pool_size": "10", "pool": "no such"})["answers"]
    assert "use one that was used" in refused["no_answer_because"]


def test_changes_and_alerts_are_lists(answers):
    assert isinstance(answers.changed(720, None, None)["changes"], list)
    assert isinstance(answers.alerts(None, None)["alerts"], list)


def test_answers_are_bounded_in_rows_texts_and_as_a_whole():
    found = bounded({"rows": [{"text": "x" * 10_000}] * 1_000, "few": [1, 2]})
    assert len(json.dumps(found)) <= MOST_BYTES
    assert found["left_out"] == {"rows": 980}
    assert found["few"] == [1, 2]
    deep = bounded({"rows": [{"more": [{"text": "y" * 400}] * 20}] * 20})
    assert len(json.dumps(deep)) <= MOST_BYTES
