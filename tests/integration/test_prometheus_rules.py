"""Prometheus evaluates the rendered rules on the same events as our engine (`promtool test rules`)."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import accumulate

import pytest

from otel_fe import semconv
from otel_fe.config.openslo import default_slos
from otel_fe.model.time_windows import show_span
from otel_fe.render.prometheus import BURNING, MISSED, prometheus_rules
from otel_fe.render.prometheus_names import label_name, matcher, metric_name, selector
from tests.real.prometheus import promtool
from tests.simulation.minutes import GROUP, Minutes, key, periods, steady

pytestmark = pytest.mark.timeout(300)
SLOS = {slo.name: slo for slo in default_slos()}


@pytest.mark.parametrize("odd", ["two\nlines", "{{ $value }}", "{{ range", "a\u2028b", "a\x1bb", '"\\'])
def test_promtool_accepts_rules_of_slos_with_odd_texts(tmp_path, odd):
    """promtool accepts the rules, and parses their templates too."""
    slos = [replace(slo, title=odd, description=odd, service=odd) for slo in default_slos()]
    rules = tmp_path / "rules.yaml"
    rules.write_text(prometheus_rules(slos))
    done = promtool("check", "rules", rules)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_the_rules(tmp_path):
    """promtool accepts the rules of the four requirements."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(prometheus_rules(default_slos()))
    done = promtool("check", "rules", rules)
    assert done.returncode == 0, done.stderr


def minutes_of(*parts):
    """Return bad and all events of each minute, of parts (share of bad events, events a minute, minutes)."""
    bad = [one for ratio, rate, length in parts for one in steady(ratio, rate, length)]
    return bad, [rate for _, rate, length in parts for _ in range(length)]


SCENARIOS = {
    "an outage": ("error_rate", (0, 600, 300), (1, 600, 20), (0, 600, 400)),
    "one in five": ("error_rate", (0, 600, 300), (0.2, 600, 90), (0, 600, 300)),
    "one in ten, for hours": ("error_rate", (0, 600, 500), (0.1, 600, 400), (0, 600, 100)),
    "slow and steady": ("error_rate", (0, 60, 600), (0.03, 60, 700), (0, 60, 500)),
    "few events": ("error_rate", (0, 1, 600), (0.5, 1, 120), (0, 1, 500)),
    "three of four are slow": ("latency", (0.02, 300, 300), (0.75, 300, 200), (0.02, 300, 200)),
    "an empty cache": ("cache_hit_rate", (0.2, 300, 300), (1, 300, 120), (0.2, 300, 300)),
    "a cache that no longer helps": ("cache_hit_rate", (0.2, 300, 400), (0.6, 300, 900), (0.2, 300, 100)),
    "broken from its first minute on": ("error_rate", (1, 600, 20), (0, 600, 400)),
    "cold in its first minute": ("cache_hit_rate", (1, 6_000, 1), (0.2, 300, 100), (1, 300, 60)),
    "one that takes all memory": ("memory", (0, 300, 100), (1 / 300, 300, 1), (0, 300, 100)),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_prometheus_alerts_as_our_engine_does(name, tmp_path):
    """Each alert comes and goes in the same minute."""
    slo_name, *parts = SCENARIOS[name]
    slo = SLOS[slo_name]
    bad, total = minutes_of(*parts)
    ours = periods(slo, Minutes(bad, total), 1, len(total))
    assert any(ours.values()), "the scenario shows nothing"
    (tmp_path / "rules.yaml").write_text(prometheus_rules([slo]))
    checks = [check for alert in slo.alerts for check in _checks(slo, alert, ours[key(alert)], len(total))]
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": _series(slo, bad, total), "promql_expr_test": checks}],
    }
    (tmp_path / "test.yaml").write_text(json.dumps(test))
    done = promtool("test", "rules", tmp_path / "test.yaml")
    assert done.returncode == 0, f"{ours}\n{done.stdout}{done.stderr}"


def _series(slo, bad, total):
    """Return the counters as a scrape a minute sees them, from their first 0 on."""
    good = [all_ - bad_ for bad_, all_ in zip(bad, total, strict=True)]
    labels = [f'job="{GROUP.service}"', matcher(semconv.FEATURE_SET, GROUP.feature_set), matcher(semconv.SLO, slo.name)]
    return [
        {
            "series": selector(metric_name(semconv.SLO_EVENTS), [*labels, matcher(semconv.GOOD, value)]),
            "values": " ".join(map(str, [0, *accumulate(counts)])),
        }
        for value, counts in ((True, good), (False, bad))
    ]


def _checks(slo, alert, on, last):
    """Return what Prometheus has to say of an alert the minutes round each of its beginnings and ends."""
    checked = {minute for begin, end in on for edge in (begin, end) for minute in range(edge - 2, edge + 3)}
    for minute in sorted({minute for minute in {*checked, last // 2, last} if 0 < minute <= last}):
        firing = any(begin <= minute <= end for begin, end in on)
        name = BURNING if alert.name == "burn" else MISSED
        query = f'ALERTS{{alertname="{name}", severity="{alert.severity}", window="{show_span(alert.long_ns)}"}}'
        yield {
            "expr": f"sum by ({label_name(semconv.FEATURE_SET)}) ({query})",
            "eval_time": f"{minute}m",
            "exp_samples": [{"labels": f"{{{matcher(semconv.FEATURE_SET, GROUP.feature_set)}}}", "value": 1}]
            if firing
            else [],
        }
