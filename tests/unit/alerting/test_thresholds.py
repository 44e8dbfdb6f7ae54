"""Measurements of rules that the end-to-end tests do not cover: pools, budgets, the machine, causes, advice."""

from __future__ import annotations

from fractions import Fraction

import pytest

from otel_fe.alerting import DEFAULT_RULES, AlertType, FeatureExtractionAlertingSystem, PoolUse, Rule, Severity, attach
from otel_fe.alerting.first_action import first_action
from otel_fe.alerting.sources import measure_burning
from otel_fe.alerting.thresholds import measure_machine
from otel_fe.enhanced_metrics import EnhancedMetricsCollector
from otel_fe.live.results import SystemResources
from otel_fe.live.source import LiveSource
from otel_fe.live.view import ExtractionGroup
from otel_fe.model.measurements import Measurements
from otel_fe.model.slo import EventCounts, EventSelection, Indicator, Slo
from otel_fe.model.time_windows import Rolling
from otel_fe.pipeline.attribution import CAUSES
from otel_fe.pipeline.causes import rank
from otel_fe.pipeline.explanation import CAUSE_PHRASES
from otel_fe.testing import FakeClock
from otel_fe.units import HOUR_NS

HOUR = HOUR_NS


@pytest.fixture
def clock():
    return FakeClock()


def _rules(subject):
    return [rule for rule in DEFAULT_RULES if rule.subject == subject]


def _slow(collector, number, **fields):
    for _ in range(number):
        figures = Measurements()
        figures.duration_ns = 150_000_000
        figures.feature_set = "a"
        for name, value in fields.items():
            setattr(figures, name, value)
        collector.add_feature_extraction_metrics(figures)


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"pool_waits": 1, "pool_wait_ns": 120_000_000}, "pool_wait"),
        ({"cpu_ns": 140_000_000}, "cpu"),
        ({"cache_lookups": 2, "cache_hits": 0, "cache_ns": 100_000_000}, "cache_miss"),
        ({"split": {"downstream": 149_000_000, "unexplained": 1_000_000}}, "downstream"),
        ({}, "unexplained"),
    ],
)
def test_the_cause_is_what_would_help_most(clock, fields, cause):
    """The cause comes from the split of recent slow extractions, and the advice is that for the cause."""
    collector = EnhancedMetricsCollector(clock=clock)
    system = FeatureExtractionAlertingSystem(collector, _rules("p95 latency"))
    _slow(collector, 20, **fields)
    (alert,) = system.check_performance_alerts()
    assert alert.cause == cause
    assert CAUSE_PHRASES[cause] in alert.cause_detail
    assert alert.first_action == first_action(AlertType.LATENCY_THRESHOLD, cause)


def test_the_alert_names_the_cause_that_the_page_ranks_first(clock):
    """Look-ups that missed took 2 % of the time, calls of other services 81 %, with hits as slow: one ranking, one answer."""
    collector = EnhancedMetricsCollector(clock=clock)
    system = FeatureExtractionAlertingSystem(collector, _rules("p95 latency"))
    split = {"cache_miss": 3_000_000, "downstream": 121_500_000, "unexplained": 25_500_000}
    _slow(collector, 20, cache_lookups=1, cache_hits=1, split={"downstream": 120_000_000, "unexplained": 30_000_000})
    _slow(collector, 20, cache_lookups=1, cache_hits=0, split=split)
    (alert,) = system.check_performance_alerts()
    slow, hits = collector.source.view.slow(ExtractionGroup("", "a"), 600.0)
    assert alert.cause == rank(slow, hits=hits).ranked[0].cause == "downstream"


def test_misses_are_blamed_for_what_they_lead_to(clock):
    """A look-up that misses is short; those that hit are fast: it is the miss all the same."""
    collector = EnhancedMetricsCollector(clock=clock)
    system = FeatureExtractionAlertingSystem(collector, _rules("p95 latency"))
    _slow(collector, 30, cache_lookups=1, cache_hits=1, cache_ns=1_000_000, duration_ns=2_000_000)
    _slow(collector, 30, cache_lookups=1, cache_hits=0, cache_ns=1_000_000, cpu_ns=90_000_000)
    (alert,) = system.check_performance_alerts()
    assert alert.cause == "cache_miss"


@pytest.mark.parametrize("alert_type", AlertType)
@pytest.mark.parametrize("cause", ["", *CAUSES, "KeyError"])
def test_there_is_advice_for_everything(alert_type, cause):
    """Every type, with every cause and with none."""
    assert len(first_action(alert_type, cause)) > 20


def test_waits_for_pools_fire(clock):
    """25 ms on average, for half a minute."""
    collector = EnhancedMetricsCollector(clock=clock)
    system = FeatureExtractionAlertingSystem(collector, _rules("pool wait"))
    for expected in (0, 0, 0, 1):
        _slow(collector, 20, pool_waits=1, pool_wait_ns=25_000_000, duration_ns=30_000_000)
        assert len(system.check_performance_alerts()) == expected
        clock.advance(10)
    (alert,) = system.get_active_alerts()
    assert alert.type is AlertType.POOL_EXHAUSTION
    assert "83.3 % of the time" in alert.message


def test_pools_that_are_full_fire_where_somebody_waits(clock):
    """A full pool without waits raises no alert; the alert's key contains the pool's name."""
    pools = [PoolUse("db", 10, 10, 3), PoolUse("calm", 10, 10, 0), PoolUse("half", 5, 10), PoolUse("none", 0, 0)]
    system = FeatureExtractionAlertingSystem(
        EnhancedMetricsCollector(clock=clock), _rules("pool use"), pools=lambda: pools
    )
    for _ in range(7):
        system.check_performance_alerts(0)
        clock.advance(10)
    (alert,) = system.get_active_alerts()
    assert "db" in alert.key
    assert "10 of 10 connections in use, 3 waiting" in alert.message


@pytest.mark.parametrize(
    ("resources", "subject", "holds", "over"),
    [
        (SystemResources(cpu_percent=95.0), "CPU", True, False),
        (SystemResources(cpu_percent=85.0), "CPU", False, False),
        (SystemResources(memory_percent=50.0), "memory", False, True),
        (SystemResources(gpu_percent=100.0), "GPU", True, False),
    ],
)
def test_the_machine_is_measured(resources, subject, holds, over):
    """A threshold on the machine holds or not by its measurement; without a measurement there is no evaluation."""
    (rule,) = _rules(subject)
    (reading,) = measure_machine(rule, resources)
    assert (reading.holds, reading.over) == (holds, over)
    assert measure_machine(rule, SystemResources()) == []


def _state(bad, short_bad, severity="page", short_total=100):
    """Return the state of an SLO with an alert on an hour and five minutes."""
    from otel_fe.model.slo import BurnAlert
    from otel_fe.pipeline.burn_alert_state import burn_alert_states
    from otel_fe.pipeline.slo_engine import SloState

    alert = BurnAlert("burn", severity, HOUR, HOUR // 12, Fraction(72, 100))
    indicator = Indicator(EventSelection("m"), True, EventSelection("m"))
    slo = Slo("latency", indicator, Fraction(95, 100), Rolling(30 * 24 * HOUR), (alert,))
    counts = {HOUR: EventCounts(bad, 1000), HOUR // 12: EventCounts(short_bad, short_total)}
    return SloState(slo, ExtractionGroup("", "a"), 0, EventCounts(bad, 1000), burn_alert_states(slo, counts))


def test_burning_budgets_fire(clock):
    """Alerts fire by the burn engine's conditions, and are resolved when its short window has recovered."""
    states = [_state(900, 90)]
    system = FeatureExtractionAlertingSystem(EnhancedMetricsCollector(clock=clock), [], slo_states=lambda: states)
    (alert,) = system.check_performance_alerts()
    assert (alert.type, alert.severity, alert.subject) == (AlertType.SLO_BURN, Severity.PAGE, "SLO latency")
    assert (alert.observed, alert.threshold) == (18.0, 14.4)
    assert "900 of 1000" in alert.message
    (held,) = measure_burning([_state(900, 90, "ticket")], 600)
    assert held.rule.severity is Severity.TICKET
    states[:] = [_state(900, 0)]
    for _ in range(8):
        clock.advance(10)
        system.check_performance_alerts(0)
    assert system.get_active_alerts() == []


@pytest.mark.parametrize(
    ("short_total", "resolution", "words"),
    [(100, "recovered", "recovered; last 0 x budget"), (0, "no data", "nothing is measured any more")],
    ids=["good_again", "dead"],
)
def test_a_service_that_died_has_not_recovered(clock, short_total, resolution, words):
    """A service that stopped sending, with bad events in its long window, is not reported as recovered."""
    told = []
    states = [_state(900, 90)]
    system = FeatureExtractionAlertingSystem(EnhancedMetricsCollector(clock=clock), [], slo_states=lambda: states)
    system.register_alert_handler(None, told.append)
    system.check_performance_alerts()
    states[:] = [_state(900, 0, short_total=short_total)]
    for _ in range(40):
        clock.advance(10)
        system.check_performance_alerts()
    assert told[-1].resolution == resolution
    assert words in told[-1].message


def test_a_source_that_fails_stops_no_other(clock):
    """A failing source is counted and reported, and the other rules are evaluated."""
    faults = []
    collector = EnhancedMetricsCollector(clock=clock)
    system = FeatureExtractionAlertingSystem(
        collector,
        slo_states=lambda: 1 / 0,
        pools=lambda: 1 / 0,
        more=lambda: 1 / 0,
        on_fault=lambda name, fault: faults.append(name),
    )
    _slow(collector, 30)
    assert system.check_performance_alerts()
    assert system.faults() == {"slo_states": 1, "pools": 1, "more": 1}
    assert faults == ["alerts.pools", "alerts.slo_states", "alerts.more"]


class _Engine:
    """A pipeline with the attributes that `attach` needs; its engine can be replaced."""

    def __init__(self):
        from otel_fe.pipeline.derive import DerivedMetrics

        self.metrics = DerivedMetrics(100, lambda _: 0)

    def settle(self):
        pass


class _Pipeline:
    def __init__(self):
        self.engine = _Engine()


def test_attached_to_a_pipeline_it_evaluates_every_ten_seconds(clock):
    """An attached system reads the engine's counts, follows its replacement, and can be detached."""
    pipeline = _Pipeline()
    attached = attach(pipeline, clock=clock, log_events=False)
    told = []
    attached.system.register_alert_handler(AlertType.LATENCY_THRESHOLD, told.append)
    first = pipeline.engine.metrics

    def serve(number):
        for _ in range(number):
            figures = Measurements()
            figures.duration_ns = 200_000_000
            pipeline.engine.metrics.record(figures)

    serve(20)
    for _ in range(9):
        clock.advance(1)
        attached.tick()
    assert attached.system.get_active_alerts() == []
    clock.advance(1)
    attached.tick()
    assert len(attached.system.get_active_alerts()) == 1
    pipeline.engine = _Engine()
    clock.advance(70)
    attached.tick()
    serve(20)
    assert first._observed_by is None
    clock.advance(10)
    attached.tick()
    (alert,) = attached.system.get_active_alerts()
    assert alert.samples == 20
    attached.close()
    assert len(told) == 1
    assert pipeline.engine.metrics._observed_by is None


def test_a_collector_that_is_forgotten_leaves_nothing_behind(clock):
    """No close is needed: once the source is gone, the engine passes nothing on."""
    engine = _Engine()
    source = LiveSource(clock, lambda: engine)
    other = LiveSource(clock, lambda: engine)
    assert engine.metrics._observed_by is not None
    del source
    assert engine.metrics._observed_by is not None
    other.close()
    assert engine.metrics._observed_by is None


def test_rules_of_one_s_own_need_no_exact_limit(clock):
    """A latency that the view does not count exactly is judged by the estimate."""
    rule = Rule(AlertType.LATENCY_THRESHOLD, "p95 latency", 50.0, 40.0, "ms", Severity.TICKET)
    collector = EnhancedMetricsCollector(clock=clock)
    system = FeatureExtractionAlertingSystem(collector, [rule])
    _slow(collector, 20, duration_ns=60_000_000)
    assert [alert.severity for alert in system.check_performance_alerts()] == [Severity.TICKET]


def test_exact_counts_fire_where_the_estimate_is_just_short_of_the_threshold(clock):
    """The figure is the estimate that every page shows; the message says that the counts are what the alert goes by."""
    rule = Rule(AlertType.LATENCY_THRESHOLD, "p95 latency", 83.0, 80.0, "ms", Severity.TICKET)
    collector = EnhancedMetricsCollector(clock=clock, limits_ms=(83.0,))
    system = FeatureExtractionAlertingSystem(collector, [rule])
    _slow(collector, 80, duration_ns=82_900_000)
    _slow(collector, 20, duration_ns=83_000_000)
    (alert,) = system.check_performance_alerts()
    assert alert.observed == collector.get_real_time_metrics().p95_latency_ms < 83.0
    assert (
        "20 of 100 extractions took 83 ms or more; the percentile is estimated, between 82.9 and 83 ms."
        in alert.message
    )


@pytest.mark.parametrize(
    ("resources", "subject", "words"),
    [
        (SystemResources(cpu_percent=95.0), "CPU", "measured on all cores of the machine"),
        (
            SystemResources(cpu_percent=95.0, cpu_limit_cores=1.0, cpu_throttled_percent=35.0),
            "CPU",
            "measured against the container's CPU quota of 1 core, which throttled it for 35 % of the time of one core",
        ),
        (
            SystemResources(cpu_percent=95.0, cpu_limit_cores=1.5, cpu_throttled_percent=0.0),
            "CPU",
            "measured against the container's CPU quota of 1.5 cores",
        ),
        (SystemResources(memory_percent=95.0), "memory", "measured against the machine's memory"),
        (
            SystemResources(memory_percent=95.0, memory_limit_mb=2000.0, oom_kills=1),
            "memory",
            "measured against the container's limit of 2 GB, at which the kernel kills a process; it has done so 1 time",
        ),
    ],
)
def test_resource_alerts_name_the_limit_that_they_are_measured_against(resources, subject, words):
    (rule,) = _rules(subject)
    (reading,) = measure_machine(rule, resources)
    assert reading.words == words
