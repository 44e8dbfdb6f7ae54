"""Settings of Prometheus and Alertmanager, and the alerts on the fleet's own losses."""

from __future__ import annotations

from typing import Any, Final

from otel_fe.model.slo import PAGE, TICKET
from otel_fe.render import collector_places as places
from otel_fe.render.prometheus_names import selector
from otel_fe.render.rule_file import Group, PrometheusRule, write
from otel_fe.render.yaml_file import write_yaml

LOSSES: Final = "fleet.rules.yaml"
"""Rules about the fleet itself."""
_GROUPED_BY: Final = ["alertname", "slo", "job", "feature_extraction_feature_set"]
_LOST: Final = (
    (
        "FleetForgotTraces",
        "otelcol_processor_tail_sampling_sampling_trace_dropped_too_early",
        "",
        "traces were forgotten undecided: raise num_traces, or add samplers",
    ),
    (
        "FleetRefusedToQueue",
        "otelcol_exporter_enqueue_failed_spans",
        "",
        "spans did not fit a full queue: see what it waits for",
    ),
    (
        "FleetFailedToSend",
        "otelcol_exporter_send_failed_spans",
        "",
        "spans were given up: what they were sent to refuses them",
    ),
    (
        "FleetLostCounts",
        "otelcol_deltatocumulative_datapoints",
        'error!=""',
        "counts were dropped: see what the counter's label `error` says",
    ),
)


def prometheus_yaml(comments: tuple[str, ...], rule_files: tuple[str, ...]) -> str:
    """Return Prometheus's settings: the rules, Alertmanager, and the Collectors that it scrapes."""
    tiers = {
        places.AGENT: [f"{places.AGENT}:{places.OWN_METRICS}"],
        places.SAMPLER: [f"{places.SAMPLER}-{number}:{places.OWN_METRICS}" for number in range(1, places.SAMPLERS + 1)],
    }
    settings: dict[str, Any] = {
        "global": {"scrape_interval": "15s", "evaluation_interval": "30s"},
        "rule_files": list(rule_files),
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": ["alertmanager:9093"]}]}]},
        "scrape_configs": [
            {"job_name": f"otelcol-{tier}", "static_configs": [{"targets": targets}]} for tier, targets in tiers.items()
        ],
        "storage": {"tsdb": {"out_of_order_time_window": "10m"}, "exemplars": {"max_exemplars": 100_000}},
    }
    return write_yaml(settings, comments)


def loss_rules(comments: tuple[str, ...]) -> str:
    """Return an alert for each way in which a Collector loses spans, which all count them."""
    rules = [
        PrometheusRule(
            name,
            _increased(_counter(metric, labels)),
            alerting=True,
            labels={"severity": TICKET},
            annotations={"summary": f"{{{{ $labels.instance }}}}: {{{{ $value | humanize }}}} {meaning}"},
        )
        for name, metric, labels, meaning in _LOST
    ]
    return write([Group("otel_fe:fleet", rules)], comments)


def _increased(counter: str) -> str:
    """Return what a counter has risen by in five minutes, where it has.

    Most of them are not there before the first loss, and of a series that is new at 3 Prometheus sees no increase; an hour back,
    so that a Prometheus that was away does not take all there is for new.
    """
    return (
        "sum by (job, instance) (\n"
        f"  increase({counter}[5m]) > 0\n"
        "  or\n"
        f"  ({counter} unless max_over_time({counter}[1h] offset 5m)) > 0\n"
        ")"
    )


def _counter(name: str, labels: str) -> str:
    """Return the selector of one of the Collector's own counters, which end in `_total` or not by how they are exposed."""
    return selector("", [f'__name__=~"{name}(_total)?"', *([labels] if labels else [])])


def alertmanager_yaml(comments: tuple[str, ...]) -> str:
    """Return Alertmanager's routes: pages and tickets apart, and no ticket while its page fires."""
    receivers = (PAGE, TICKET)
    settings: dict[str, Any] = {
        "route": {
            "receiver": TICKET,
            "group_by": _GROUPED_BY,
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "12h",
            "routes": [{"matchers": [f'severity="{PAGE}"'], "receiver": PAGE, "repeat_interval": "1h"}],
        },
        "inhibit_rules": [
            {
                "source_matchers": [f'severity="{PAGE}"'],
                "target_matchers": [f'severity="{TICKET}"'],
                "equal": _GROUPED_BY[1:],
            }
        ],
        "receivers": [
            {"name": name, "webhook_configs": [{"url": f"http://on-call:8080/{name}"}]} for name in receivers
        ],
    }
    return write_yaml(settings, comments)
