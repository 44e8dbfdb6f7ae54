"""Objectives: what is left, how fast it goes, which traces spent it."""

from __future__ import annotations

from otel_fe.dashboard.slo_view import slo_view
from otel_fe.dashboard.view_address import ViewAddress
from tests.unit.dashboard.conftest import Elements

CHOSEN = ViewAddress(slo="latency", service="feature-service", feature_set="user_profile")


def test_every_objective_of_every_group_is_there(stored):
    states = slo_view(stored, ViewAddress())["states"]
    assert len(states) == 12
    assert (states[0]["slo"], states[0]["feature_set"]) == ("latency", "user_profile"), "what burns stands first"


def test_the_budget_is_that_of_exact_counts(stored):
    chosen = slo_view(stored, CHOSEN)["chosen"]
    good, total = stored.reader.sums.good_and_total("latency", 0, stored.now_ns(), "feature-service", "user_profile")
    assert (chosen["bad"], chosen["total"]) == (total - good, total)
    assert (
        chosen["remaining"] == 1 - (total - good) / (0.05 * total)
        or abs(chosen["remaining"] - (1 - (total - good) / (0.05 * total))) < 1e-9
    )
    assert abs(chosen["points"][-1][1] - chosen["remaining"]) < 1e-9, "its course ends where it stands"
    assert chosen["points"][0][1] > chosen["points"][-1][1], "it was spent in the last twenty minutes"
    assert chosen["projection"].ends_ns is not None


def test_the_page_leads_to_the_traces_that_spent_it(asked):
    page = asked.text("/slo?slo=latency&service=feature-service&feature_set=user_profile")
    (link,) = [
        one["href"] for one in Elements(page).all("a") if one["href"].startswith("/explore?") and "low=" in one["href"]
    ]
    assert link == "/explore?service=feature-service&feature_set=user_profile&low=100.000000"
    assert "Pool wait" in page


def test_an_unknown_objective_shows_the_list(asked):
    assert "Objectives" in asked.text("/slo?slo=none")
