"""Settings of Prometheus and Alertmanager, and the alerts on the fleet's own losses."""

from __future__ import annotations

from typing import Any, Final

from otel_fe import semconv
from otel_fe.model.slo import PAGE, TICKET
from otel_fe.render import collector_places as places
from otel_fe.render.alertmanager_templates import FILE
from otel_fe.render.prometheus_names import JOB, label_name, selector
from otel_fe.render.rule_file import PrometheusRule, RuleGroup, write
from otel_fe.render.yaml_file import write_yaml

LOSSES: Final = "fleet.rules.yaml"
"""Rules about the fleet itself."""
_GROUPED_BY: Final = [JOB, label_name(semconv.FEATURE_SET)]
"""One message for all that fires for a feature set of a service, whatever objectives it breaks."""
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
    return write([RuleGroup("otel_fe:fleet", rules)], comments)


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
    receivers = [{"name": name, "webhook_configs": [{"url": f"http://on-call:8080/{name}"}]} for name in (PAGE, TICKET)]
    return write_yaml(_routed(receivers), comments)


def receivers_yaml(comments: tuple[str, ...]) -> str:
    """Return the same with Slack, PagerDuty and e-mail, whose messages the templates make. Secrets are in files."""
    title, text = _template("title"), _template("text")
    slack = {
        "api_url_file": "/etc/alertmanager/secrets/slack_url",
        "channel": "#feature-extraction",
        "send_resolved": True,
        "title": title,
        "title_link": _template("page"),
        "text": text,
    }
    pagerduty = {
        "routing_key_file": "/etc/alertmanager/secrets/pagerduty_routing_key",
        "send_resolved": True,
        "description": title,
        "details": {"text": text},
        "links": [{"href": _template("page"), "text": "the page at that time"}],
    }
    email = {
        "to": "feature-extraction@example.com",
        "from": "alertmanager@example.com",
        "smarthost": "mail.example.com:587",
        "auth_username": "alertmanager",
        "auth_password_file": "/etc/alertmanager/secrets/smtp_password",
        "send_resolved": True,
        "headers": {"Subject": title},
        "text": text,
        "html": _template("html"),
    }
    receivers = [
        {"name": PAGE, "pagerduty_configs": [pagerduty], "slack_configs": [slack]},
        {"name": TICKET, "slack_configs": [slack], "email_configs": [email]},
    ]
    return write_yaml(_routed(receivers), comments)


def _template(name: str) -> str:
    return f'{{{{ template "otel_fe.{name}" . }}}}'


def _routed(receivers: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "templates": [FILE],
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
                "equal": _GROUPED_BY,
            }
        ],
        "receivers": receivers,
    }
