"""Silences that outlive the process that made them: what they match, and what they may not be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from otel_fe.alerting import Alert, FeatureExtractionAlertingSystem, Silence
from otel_fe.alerting.kept_silence import LONGEST_NS, SHORTEST_NS, KeptSilence
from otel_fe.config.openslo import default_slos
from otel_fe.errors import ConfigurationError
from otel_fe.live.source import LiveSource
from otel_fe.model.slo import EventCounts
from otel_fe.pipeline.slo_engine import SloEngine
from otel_fe.testing import FakeClock

NOW = 1_700_000_000_000_000_000
HOUR = 3_600_000_000_000
ONE = KeptSilence("a" * 32, "latency", "shop", "user", NOW, NOW + HOUR, "Ada", "deploying")


@pytest.mark.parametrize("slo", [None, "latency", "error_rate"])
@pytest.mark.parametrize("service", [None, "", "shop"])
@pytest.mark.parametrize("feature_set", [None, "", "user"])
def test_it_matches_what_all_that_is_given_matches(slo, service, feature_set):
    """An empty name is that of those without one, and not of every one."""
    if (slo, service, feature_set) == (None, None, None):
        return
    silence = replace(ONE, slo=slo, service=service, feature_set=feature_set)
    assert silence.matches("latency", "shop", "user") == (
        slo in (None, "latency") and service in (None, "shop") and feature_set in (None, "user")
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"slo": None, "service": None, "feature_set": None}, "choose an objective, a service or a feature set"),
        ({"service": "x" * 301}, "use at most 300"),
        ({"author": ""}, "by: '' cannot be used; use one line of 1 to 80"),
        ({"author": " "}, "use one line"),
        ({"author": "x" * 81}, "by: '81 characters'"),
        ({"comment": ""}, "comment"),
        ({"comment": "x" * 501}, "comment: '501 characters'"),
        ({"comment": "a\nERROR forged"}, "use one line"),
        ({"comment": "a\u2028b"}, "use one line"),
        ({"until_ns": NOW + SHORTEST_NS - 1}, "use 1m to 30d"),
        ({"until_ns": NOW + LONGEST_NS + 1}, "use 1m to 30d"),
        ({"until_ns": NOW - 1}, "use 1m to 30d"),
    ],
)
def test_what_cannot_be_is_refused(change, said):
    with pytest.raises(ConfigurationError, match=said):
        replace(ONE, **change)


class Burning:
    """Events of which nine of ten are bad."""

    def events(self, indicator, start_ns, end_ns):
        from otel_fe.pipeline.event_sums import BudgetGroup

        return {
            BudgetGroup("shop", "user"): EventCounts(900, 1_000),
            BudgetGroup("shop", "other"): EventCounts(900, 1_000),
        }


@pytest.fixture
def system():
    """Return an alerting system on burning budgets, its clock, the stored silences that it applies, and the sent alerts."""
    clock = FakeClock(NOW)
    engine = SloEngine(default_slos(), Burning(), clock)
    silences, told = [], []

    def others():
        if isinstance(silences, list) and silences and isinstance(silences[0], Exception):
            raise silences[0]
        return [one.in_process(clock) if isinstance(one, KeptSilence) else one for one in silences]

    made = FeatureExtractionAlertingSystem(
        LiveSource(clock, lambda: None), rules=(), slo_states=engine.evaluate, silences=others, log_events=False
    )
    made.register_alert_handler(None, told.append)
    yield made, clock, silences, told
    made.close()


def groups(alerts: list[Alert]) -> set[tuple[str, str]]:
    return {(one.subject, one.feature_set) for one in alerts}


def test_an_alerting_system_honours_them(system):
    """A stored silence silences the alerts that it matches and no other; in-process silences still apply."""
    made, _, silences, told = system
    silences.append(ONE)
    made.silence(60.0, feature_set="nobody")
    firing = made.check_performance_alerts(wait_s=5)
    assert {(one.subject, one.feature_set) for one in firing if one.silenced} == {("SLO latency", "user")}
    assert ("SLO latency", "user") not in groups(told)
    assert ("SLO latency", "other") in groups(told)
    assert [type(one) for one in made.get_silences()] == [Silence]  # its own alone


def test_one_that_ends_is_told_then(system):
    made, clock, silences, told = system
    silences.append(ONE)
    made.check_performance_alerts(wait_s=5)
    clock.advance(ns=HOUR - 1)
    made.check_performance_alerts(wait_s=5)
    assert ("SLO latency", "user") not in groups(told)
    clock.advance(ns=1)
    made.check_performance_alerts(wait_s=5)
    assert ("SLO latency", "user") in groups(told)


def test_where_they_cannot_be_read_alerts_are_told(system):
    """Alerts are sent and the fault is counted if the silences cannot be read."""
    made, _, silences, told = system
    silences.append(OSError("gone"))
    made.check_performance_alerts(wait_s=5)
    assert ("SLO latency", "user") in groups(told)
    assert made.faults()["silences"] == 1
