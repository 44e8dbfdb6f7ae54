"""Renders SLOs as Prometheus's recording and alerting rules, equivalent to otel_fe's own engine.

Recording rules count events, by service (`job`) and feature set; a ratio is formed from two of them where it is
compared, so that it is always a sum over a sum. The guard for few events is `pipeline/confidence.py`'s, in PromQL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe import semconv
from otel_fe.alerting.alert import AlertType
from otel_fe.alerting.first_action import first_action
from otel_fe.alerting.origin import Origin
from otel_fe.model.burn_alerts import BURN, DIRECT_WINDOW_NS
from otel_fe.model.time_windows import Calendar, show_span
from otel_fe.pipeline.confidence import CONFIDENCE, NEEDED
from otel_fe.pipeline.slo_engine import WARM_UP_NS
from otel_fe.render.prometheus_names import JOB, decimal, edge_matcher, label_name, matcher, metric_name, selector
from otel_fe.render.rule_file import PrometheusRule, RuleGroup, literal, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.model.slo import BurnAlert, EventSelection, Slo

FILE: Final = "otel_fe_slos.rules.yaml"
"""The file that `otel-fe render prometheus --out DIR` writes."""
BURNING: Final = "FeatureExtractionErrorBudgetBurn"
"""Alert: too large a share of the error budget is spent."""
MISSED: Final = "FeatureExtractionObjectiveMissed"
"""Alert: the last hour alone breaks the objective."""
_BAD: Final = "otel_fe:slo_bad_events:increase"
_ALL: Final = "otel_fe:slo_events:increase"
_LEFT: Final = "otel_fe:slo_error_budget_remaining:ratio"
_PERCENTILE: Final = "otel_fe:slo_percentile:"
_NOWHERE: Final = Origin()
_FEATURE_SET: Final = label_name(semconv.FEATURE_SET)
_ON: Final = f"on ({JOB}, {_FEATURE_SET})"
_BUDGET_INTERVAL: Final = "5m"  # its window is long, and its sums dear
_HALF: Final = "0.5"  # of an event: Prometheus extrapolates, so that a difference of equal sums is nearly 0
_TINY: Final = "1e-9"  # for ln: a share of 0 contributes nothing
_HEAD: Final = (
    "Written by `otel-fe render prometheus`; change the SLOs, not this file.",
    "",
    "Names are those that OTLP metrics have in Prometheus by the translation strategy UnderscoreEscapingWithSuffixes.",
    "Error budgets need their whole window: set --storage.tsdb.retention.time to more than it (Prometheus keeps 15d).",
    f"An alert needs its long window to exceed the share with {CONFIDENCE:.0%} confidence (Chernoff's bound), so that few",
    "events do not fire it by chance; and a service or feature set to have been counted for more than a minute: in its first,",
    "caches are cold and models load.",
)


def prometheus_rules(slos: Sequence[Slo], origin: Origin = _NOWHERE) -> str:
    """Return the text of a rule file for some SLOs; the same SLOs give the same bytes.

    Args:
        slos: Whose alerts.
        origin: Where the links of alerts lead.
    """
    return write([group for slo in slos for group in _groups(slo, origin)], _HEAD)


def _groups(slo: Slo, origin: Origin) -> list[RuleGroup]:
    windows = sorted({window for alert in slo.alerts for window in alert.windows})
    rules = [rule for window in windows for rule in _events(slo, show_span(window))]
    rules += _percentile(slo)
    rules += [_alert(slo, alert, origin) for alert in slo.alerts]
    comments = [slo.description] if slo.description else []
    comments += [f"{alert.severity} on {show_span(alert.long_ns)}: {alert.note}" for alert in slo.alerts if alert.note]
    name = f"otel_fe:slo:{slo.name}"
    if isinstance(slo.window, Calendar):
        comments.append(
            f"Its budget is for {slo.window}, which PromQL has no windows for: only otel_fe tells what is left."
        )
        return [RuleGroup(name, rules, comments=comments)]
    length = show_span(slo.window.length_ns)
    budget = [*_events(slo, length), _remaining(slo, length)]
    return [RuleGroup(name, rules, comments=comments), RuleGroup(f"{name}:budget", budget, _BUDGET_INTERVAL)]


def _events(slo: Slo, window: str) -> list[PrometheusRule]:
    """Return the rules that record the events of a window: all of them, and the bad ones, 0 where none has been counted."""
    total = f"{_ALL}{window}"
    own = selector(total, [matcher(semconv.SLO, slo.name)])
    indicator = slo.indicator
    # What is recorded has the label `slo`, and the events themselves need not.
    part = f"{_increase(indicator.part, window)}\nor {_ON}\n0 * {own}"
    bad = f"{own}\n- {_ON} (\n{_indented(part)}\n)" if indicator.part_is_good else part
    labels = {semconv.SLO: slo.name}
    return [
        PrometheusRule(total, _increase(indicator.total, window), labels=labels),
        PrometheusRule(f"{_BAD}{window}", bad, labels=labels),
    ]


def _increase(selection: EventSelection, window: str) -> str:
    matchers = [matcher(name, value) for name, value in selection.attributes]
    name = metric_name(selection.metric)
    if selection.most is not None:
        name, matchers = f"{name}_bucket", [*matchers, edge_matcher(selection.most)]
    elif selection.metric in _HISTOGRAMS:
        name = f"{name}_count"
    return f"sum by ({JOB}, {_FEATURE_SET}) (increase({selector(name, matchers)}[{window}]))"


def _percentile(slo: Slo) -> list[PrometheusRule]:
    """Return the rule that records the percentile itself, interpolated within its bucket; for SLOs about a limit."""
    limit = slo.indicator.limit
    if limit is None or not slo.budget:
        return []
    window = show_span(DIRECT_WINDOW_NS)
    buckets = selector(f"{metric_name(limit.metric)}_bucket", [matcher(*pair) for pair in limit.attributes])
    summed = f"sum by ({JOB}, {_FEATURE_SET}, le) (increase({buckets}[{window}]))"
    quantile = f"histogram_quantile({decimal(slo.objective)}, {summed})"
    return [PrometheusRule(f"{_PERCENTILE}{window}", quantile, labels={semconv.SLO: slo.name})]


def _remaining(slo: Slo, window: str) -> PrometheusRule:
    own = [matcher(semconv.SLO, slo.name)]
    bad, total = selector(f"{_BAD}{window}", own), selector(f"{_ALL}{window}", own)
    left = f"1 - {bad} / ({decimal(slo.budget)} * {total})" if slo.budget else f"{bad} < bool {_HALF}"
    return PrometheusRule(f"{_LEFT}{window}", left, labels={semconv.SLO: slo.name})


def _alert(slo: Slo, alert: BurnAlert, origin: Origin) -> PrometheusRule:
    """Return an alert's rule; its value is the share of bad events in the long window."""
    share = decimal(alert.share)
    conditions = [f"{_share(slo, window)} > {share}" for window in alert.windows]
    conditions += [_guard(slo, alert), _warm(slo)]
    words = f"{{{{ $labels.{_FEATURE_SET} }}}} ({{{{ $labels.{JOB} }}}})"
    summary = f"{literal(slo.title or slo.name)}: {{{{ $value | humanizePercentage }}}} bad in {show_span(alert.long_ns)}: {words}"
    labels = {
        semconv.SLO: literal(slo.name),
        "severity": literal(alert.severity),
        semconv.WINDOW: show_span(alert.long_ns),
    }
    labels |= {"slo_service": literal(slo.service)} if slo.service else {}
    labels |= {"targets": literal(",".join(alert.targets))} if alert.targets else {}
    return PrometheusRule(
        BURNING if alert.name == BURN else MISSED,
        "\nand\n".join(conditions),
        alerting=True,
        after=show_span(alert.after_ns) if alert.after_ns else "",
        labels=labels,
        annotations={
            "summary": summary,
            "description": literal(f"Fires at {slo.describe(alert)}."),
            "how_bad": f"{{{{ $value | humanizePercentage }}}} of extractions were bad in {show_span(alert.long_ns)}",
            "cause": _cause(alert),
            "first_action": literal(first_action(AlertType.SLO_BURN, "")),
            **_links(origin),
        },
    )


def _cause(alert: BurnAlert) -> str:
    """Return the annotation with the main cause of slow extractions, by `feature_extraction.time`."""
    time = metric_name(semconv.CAUSE_TIME)
    own = f"{{{JOB}=%q, {_FEATURE_SET}=%q}}[{show_span(alert.long_ns)}]"
    shares = f"sum by ({semconv.CAUSE}) (increase({time}{own})) / scalar(sum(increase({time}{own})))"
    labels = f"$labels.{JOB} $labels.{_FEATURE_SET}"
    asked = f"printf `topk(1, {shares})` {labels} {labels} | query"
    said = f'{{{{ . | value | humanizePercentage }}}} of slow time is {{{{ . | label "{semconv.CAUSE}" }}}}'
    return f"{{{{ range {asked} }}}}{said}{{{{ end }}}}"


def _links(origin: Origin) -> dict[str, str]:
    """Return the annotations with addresses; none where no dashboard and no runbook is known."""
    labels = {
        "service": f"{{{{ $labels.{JOB} | urlquery }}}}",
        "feature_set": f"{{{{ $labels.{_FEATURE_SET} | urlquery }}}}",
    }
    found = {}
    if origin.page:
        asked = "&".join(f"{name}={value}" for name, value in labels.items())
        found["page_url"] = f"{origin.page}/explore?{asked}"
    if origin.runbook or origin.page:
        runbook = origin.runbook or f"{origin.page}/runbook#slo_burn"
        for name, value in {**labels, "alert": "slo_burn", "cause": "slo_burn"}.items():
            runbook = runbook.replace(f"{{{name}}}", value)
        found["runbook_url"] = runbook
    return found


def _share(slo: Slo, window: int) -> str:
    own = [matcher(semconv.SLO, slo.name)]
    return " / ".join(selector(f"{name}{show_span(window)}", own) for name in (_BAD, _ALL))


def _guard(slo: Slo, alert: BurnAlert) -> str:
    """Return `confidence.exceeds` over the long window, for where its share is exceeded."""
    own, window = [matcher(semconv.SLO, slo.name)], show_span(alert.long_ns)
    bad, total = selector(f"{_BAD}{window}", own), selector(f"{_ALL}{window}", own)
    if not alert.share:
        return f"{bad} > {_HALF}"
    good = f"clamp_min({total} - {bad}, {_TINY})"
    share, rest = decimal(alert.share), decimal(1 - alert.share)
    return (
        f"(\n  {bad} * ln({bad} / ({share} * {total}))\n  + {good} * ln({good} / ({rest} * {total}))\n) >= {NEEDED:.9g}"
    )


def _warm(slo: Slo) -> str:
    """Return that the group had events before the warm-up, as `SloEngine` has it, within its longest window."""
    longest = show_span(max(window for alert in slo.alerts for window in alert.windows))
    return f"{selector(f'{_ALL}{longest}', [matcher(semconv.SLO, slo.name)])} offset {show_span(WARM_UP_NS)} > {_HALF}"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


_HISTOGRAMS: Final = frozenset(metric.name for metric in semconv.METRICS if metric.instrument == "histogram")
