"""Every panel of the dashboard about extractions shows something, by Prometheus's own engine."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from otel_fe.alerting import Origin
from otel_fe.render.fleet import read_fleet
from otel_fe.render.grafana_extractions import extraction_panels, page_link
from tests.real.prometheus import promtool

FOLDER = Path(__file__).parents[3] / "collector_config"


def filled_in(expression):
    """Put something in place of Grafana's variables."""
    for variable, value in (("$__rate_interval", "1m"), ("$__range", "1h"), ("$job", "shop"), ("$set", "user")):
        expression = expression.replace(variable, value)
    return expression


def test_every_panel_about_extractions_shows_what_is_measured(tmp_path):
    """Prometheus's own engine finds something for each, in series named as they come by OTLP; GPUs that DCGM tells of apart."""
    group = 'job="shop", feature_extraction_feature_set="user"'
    buckets = [("0.05", 40), ("0.1", 50), ("0.2", 60), ("+Inf", 60)]
    duration = "feature_extraction_duration_seconds"
    rising = {
        **{f'{duration}_bucket{{{group}, le="{edge}"}}': step for edge, step in buckets},
        f"{duration}_count{{{group}}}": 59,
        f'{duration}_count{{{group}, error_type="TimeoutError"}}': 1,
        **{f'{duration.replace("duration", "memory_growth").replace("seconds", "bytes")}_bucket{{{group}, le="{edge}"}}': 6 for edge in ("1e+06", "+Inf")},
        f"feature_extraction_cpu_time_seconds_sum{{{group}}}": 2,
        f"feature_extraction_pool_wait_time_seconds_sum{{{group}}}": 1,
        **{f'feature_extraction_cache_lookups_total{{{group}, result="{one}"}}': 5 for one in ("hit", "miss")},
        **{f'feature_extraction_time_seconds_total{{{group}, cause="{one}"}}': 3 for one in ("downstream", "gpu")},
        **{f'feature_extraction_slo_events_total{{{group}, slo="{slo}", good="{good}"}}': 7 for slo in ("latency", "error_rate", "cache_hit_rate") for good in ("true", "false")},
        'span_kept_duration_seconds_bucket{job="shop", le="+Inf"}': 2,
    }  # fmt: skip
    level = {
        'db_client_connection_count{job="shop", db_client_connection_pool_name="db", db_client_connection_state="used"}': 4,
        'db_client_connection_max{job="shop", db_client_connection_pool_name="db"}': 5,
        f'feature_extraction_alert_active{{{group}, alert="latency_threshold", severity="page"}}': 1,
        f'ALERTS{{{group}, alertname="FeatureExtractionErrorBudgetBurn", alertstate="firing", severity="page", slo="latency"}}': 1,
        'DCGM_FI_DEV_GPU_UTIL{gpu="0"}': 90,
    }
    board = json.loads((FOLDER / "grafana" / "dashboards" / "extractions.json").read_text())
    asked = {
        (panel["title"], one["refId"]): filled_in(one["expr"]) for panel in board["panels"] for one in panel["targets"]
    }
    kept = next(query for (title, _), query in asked.items() if title.startswith("Kept traces"))
    rising[kept[kept.index("rate(") + 5 : kept.index("{")] + '{job="shop", le="+Inf"}'] = 2
    tests = [
        {
            "interval": "15s",
            "input_series": [{"series": name, "values": f"0+{step}x260"} for name, step in rising.items()]
            + [{"series": name, "values": f"{value}+0x260"} for name, value in level.items()],
            "promql_expr_test": [
                {"expr": f"count({query}) > bool 0", "eval_time": "1h", "exp_samples": [{"labels": "{}", "value": 1}]}
                for query in asked.values()
            ],
        }
    ]
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"tests": tests}))
    done = promtool("test", "rules", tmp_path / "test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(asked) > 18


def test_links_lead_to_the_page_of_a_feature_set_at_that_time():
    """Links need OTEL_FE_PAGE_URL; a series opens its own page, a table's row by its cells."""
    fleet = read_fleet((FOLDER / "policy.yaml").read_text(), "policy.yaml", {}, ())
    origin = Origin(page="https://fe.example")
    by_title = {
        panel["title"]: panel["fieldConfig"]["defaults"].get("links") for panel in extraction_panels(fleet, origin)
    }
    (link,) = by_title["p95 by feature set, and the objective"]
    label = "feature_extraction_feature_set"
    times = "since=${__from}&until=${__to}"
    assert (
        link["url"]
        == f"https://fe.example/explore?service=${{__field.labels.job}}&feature_set=${{__field.labels.{label}}}&{times}"
    )
    (row,) = by_title["Slow time by feature set and cause"]
    assert f"${{__data.fields.{label}}}" in row["url"]
    assert page_link(origin)[0]["url"] == f"https://fe.example/?{times}"
    assert page_link(Origin()) == []
    assert not any(panel["fieldConfig"]["defaults"].get("links") for panel in extraction_panels(fleet, Origin()))
