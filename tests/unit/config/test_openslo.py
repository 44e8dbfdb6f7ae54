from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from otel_fe import semconv
from otel_fe.config.openslo import default_text, read_openslo
from otel_fe.config.problems import InvalidConfigError
from otel_fe.model.slo import BurnAlert, EventSelection, Indicator, Limit
from otel_fe.model.time_windows import Calendar, Rolling
from otel_fe.units import DAY_NS, HOUR_NS, MINUTE_NS

SOURCE = "{metricSource: {type: otel_fe, spec: {metric: feature_extraction.duration}}}"
LOOKUPS = "{metricSource: {type: otel_fe, spec: {metric: feature_extraction.cache.lookups, attributes: {result: hit}}}}"
THRESHOLD = f"{{thresholdMetric: {SOURCE}}}"
SLO = f"""
apiVersion: openslo/v1
kind: SLO
metadata: {{name: slow}}
spec:
  service: shop
  indicator: {{spec: {THRESHOLD}}}
  timeWindow: [{{duration: 30d, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives: [{{op: lte, value: 0.25, target: 0.99}}]
"""


def read(text, **environ):
    """Return the SLOs of a text, or what is wrong in it, without the file's name."""
    try:
        return read_openslo(text, "f", environ).slos
    except InvalidConfigError as error:
        return [str(problem).split(": ", 1)[1] for problem in error.problems]


def changed(old, new):
    """Return what is read of the SLO with a piece of it changed."""
    assert old in SLO
    return read(SLO.replace(old, new))


def test_a_threshold():
    """The histogram's values up to an edge are good."""
    (slo,) = read(SLO)
    values = EventSelection(semconv.DURATION)
    good = EventSelection(semconv.DURATION, (), Fraction(1, 4))
    limit = Limit(semconv.DURATION, (), Fraction(1, 4), strict=False)
    assert slo.indicator == Indicator(good, part_is_good=True, total=values, limit=limit)
    assert (slo.name, slo.service, slo.objective, slo.strict) == ("slow", "shop", Fraction(99, 100), False)
    assert slo.window == Rolling(30 * DAY_NS)


def test_a_ratio():
    """Good or bad events, and all; attributes select them."""
    ratio = f"{{ratioMetric: {{counter: true, good: {LOOKUPS}, total: {LOOKUPS.replace(', attributes: {result: hit}', '')}}}}}"
    text = SLO.replace(THRESHOLD, ratio).replace("op: lte, value: 0.25, ", "")
    (slo,) = read(text)
    assert slo.indicator == Indicator(
        EventSelection(semconv.CACHE_LOOKUPS_METRIC, ((semconv.RESULT, "hit"),)),
        part_is_good=True,
        total=EventSelection(semconv.CACHE_LOOKUPS_METRIC),
    )
    (bad,) = read(text.replace("good:", "bad:"))
    assert not bad.indicator.part_is_good
    assert read(text.replace("good:", "x:")) == [
        "spec::indicator::spec::ratioMetric: give either good or bad",
        "spec::indicator::spec::ratioMetric::x: there is no such key",
    ]
    assert read(text.replace("target:", "op: lt, value: 3, target:")) == [
        "spec::objectives[0]::op: only a thresholdMetric has this key; remove it",
        "spec::objectives[0]::value: only a thresholdMetric has this key; remove it",
    ]


@pytest.mark.parametrize(
    ("written", "objective"),
    [
        ("target: 0.95", Fraction(95, 100)),
        ("targetPercent: 99.95", Fraction(9995, 10_000)),
        ("targetPercent: 70", Fraction(7, 10)),
        ("target: 1e-3", Fraction(1, 1000)),
        ("target: 1", Fraction(1)),
        ("targetPercent: 100", Fraction(1)),
        ("target: 0.999999999999999", 1 - Fraction(1, 10**15)),
    ],
)
def test_objectives_are_exact(written, objective):
    """The digits that are written, not the nearest float."""
    (slo,) = changed("target: 0.99", written)
    assert slo.objective == objective


def test_calendars():
    """Calendar windows follow a time zone's clock and calendar; an unknown zone is an error."""
    calendar = "{duration: 1M, calendar: {startTime: 2026-01-01 00:00:00, timeZone: Europe/Berlin}}"
    (slo,) = changed("{duration: 30d, isRolling: true}", calendar)
    assert slo.window == Calendar(datetime.fromisoformat("2026-01-01"), ZoneInfo("Europe/Berlin"), 1, "M")
    assert changed("{duration: 30d, isRolling: true}", calendar.replace("Berlin", "Berlim")) == [
        (
            "spec::timeWindow[0]::calendar::timeZone: Europe/Berlim: use an IANA time zone that is "
            "installed on this machine, for example Europe/Berlin"
        )
    ]


@pytest.mark.parametrize(
    ("old", "new", "problems"),
    [
        ("target: 0.99", "target: 99", ["spec::objectives[0]::target: 99: use a number above 0 and at most 1"]),
        ("target: 0.99", "target: 0", ["spec::objectives[0]::target: 0: use a number above 0 and at most 1"]),
        ("target: 0.99", "target: '0.99'", ["spec::objectives[0]::target: 0.99: use a number above 0 and at most 1"]),
        ("target: 0.99", "target: true", ["spec::objectives[0]::target: true: use a number above 0 and at most 1"]),
        ("target: 0.99", "target: .nan", ["spec::objectives[0]::target: nan: use a number above 0 and at most 1"]),
        (
            "target: 0.99",
            "target: 0.9999999999999999",
            ["spec::objectives[0]::target: 0.9999999999999999: use at most 15 digits"],
        ),
        (
            "target: 0.99",
            "goal: 1",
            [
                "spec::objectives[0]: give either target or targetPercent",
                "spec::objectives[0]::goal: there is no such key",
            ],
        ),
        (
            "target: 0.99",
            "target: 0.9, targetPercent: 90",
            ["spec::objectives[0]: give either target or targetPercent"],
        ),
        (
            "value: 0.25",
            "value: 0.26",
            [
                "spec::objectives[0]::value: 0.26: use an edge of the histogram, whose counts are exact only there; the nearest are 0.225, 0.25, 0.3"
            ],
        ),
        (
            "op: lte",
            "op: lt",
            ["spec::objectives[0]::value: 0.25: a histogram bucket includes its upper edge: use op: lte"],
        ),
        ("op: lte", "op: gt", ["spec::objectives[0]::op: gt: values below a limit are good: use lt or lte"]),
        ("op: lte, ", "", ["spec::objectives[0]: a thresholdMetric needs op, to say which values are good"]),
        (
            "Occurrences",
            "Timeslices",
            [
                "spec::budgetingMethod: Timeslices: a slice of time would weigh ten extractions as much as ten thousand; here each counts once: use Occurrences"
            ],
        ),
        (
            "target: 0.99",
            "target: 0.99, timeSliceWindow: 5m",
            [
                "spec::objectives[0]::timeSliceWindow: OpenSLO has this, but it is not supported here; it belongs to budgetingMethod: Timeslices"
            ],
        ),
        (
            "target: 0.99}",
            "target: 0.99}, {op: lte, value: 0.1, target: 0.5}",
            ["spec::objectives: give one objective; write one SLO for each objective; this has 2"],
        ),
        ("[{duration: 30d, isRolling: true}]", "[]", ["spec::timeWindow: give one time window"]),
        (
            "duration: 30d",
            "duration: 1M",
            ["spec::timeWindow[0]::duration: 1M: a rolling window has a fixed length: use d or w, for example 30d"],
        ),
        (
            "duration: 30d",
            "duration: 720h30m",
            [
                "spec::timeWindow[0]::duration: 720h30m: use a whole number above 0 and one of m, h, d, w, M, Q, Y, for example 30d"
            ],
        ),
        (", isRolling: true", ", isRolling: false", ["spec::timeWindow[0]: give a calendar, or isRolling: true"]),
        (
            "type: otel_fe",
            "type: Prometheus",
            ["spec::indicator::spec::thresholdMetric::metricSource::type: Prometheus: use otel_fe"],
        ),
        (
            "type: otel_fe, ",
            "",
            [
                "spec::indicator::spec::thresholdMetric::metricSource: give type: otel_fe, or the metricSourceRef of a DataSource"
            ],
        ),
        (
            "feature_extraction.duration}",
            "feature_extraction.duratoin}",
            [
                "spec::indicator::spec::thresholdMetric::metricSource::spec::metric: feature_extraction.duratoin: this is not a metric of extractions; did you mean feature_extraction.duration?; use one of feature_extraction.duration, feature_extraction.slo.events, feature_extraction.cache.lookups, feature_extraction.memory.growth, feature_extraction.cpu.time, feature_extraction.pool.wait_time"
            ],
        ),
        (
            "feature_extraction.duration}",
            "feature_extraction.cache.lookups}",
            [
                "spec::indicator::spec::thresholdMetric: use a histogram: one of feature_extraction.duration, feature_extraction.cpu.time, feature_extraction.pool.wait_time, feature_extraction.memory.growth; for a counter, use ratioMetric"
            ],
        ),
        (
            "feature_extraction.duration}",
            "feature_extraction.duration, attributes: {host: a}}",
            [
                "spec::indicator::spec::thresholdMetric::metricSource::spec::attributes::host: events do not have this attribute; use service.name, feature_extraction.feature_set"
            ],
        ),
        (
            "name: slow",
            "name: -slow",
            [
                "metadata::name: -slow: use at most 63 letters, digits, -, _ and ., beginning and ending with a letter or digit"
            ],
        ),
        (
            "{name: slow}",
            "{name: slow, annotations: {otel-fe/strict: maybe}}",
            ['metadata::annotations::otel-fe/strict: maybe: use "true" or "false"'],
        ),
        (
            "kind: SLO",
            "kind: SLOO",
            [
                "kind: SLOO: OpenSLO v1 has no such kind; did you mean SLO?; use one of DataSource, SLI, AlertCondition, AlertPolicy, Service, SLO"
            ],
        ),
        (
            "kind: SLO",
            "kind: AlertNotificationTarget",
            [
                "kind: AlertNotificationTarget: otel_fe does not route notifications: name the target with targetRef, and remove this document"
            ],
        ),
        ("openslo/v1", "openslo/v2alpha", ["apiVersion: openslo/v2alpha: give apiVersion: openslo/v1"]),
        ("  service: shop\n", "", ["spec::service: give the service that it belongs to"]),
        (f"  indicator: {{spec: {THRESHOLD}}}\n", "", ["spec: give either indicator or indicatorRef"]),
    ],
)
def test_what_is_wrong_is_said(old, new, problems):
    """A problem names the key, the value and the valid form."""
    assert changed(old, new) == problems


def test_all_problems_are_said_at_once_with_their_lines():
    """All problems are reported at once, in the order of the file."""
    text = SLO.replace("target: 0.99", "target: 2").replace("service: shop", "servise: shop")
    with pytest.raises(InvalidConfigError) as caught:
        read_openslo(text, "slo.yaml", {})
    assert str(caught.value).splitlines() == [
        "slo.yaml:5:1: spec::service: give the service that it belongs to",
        "slo.yaml:6:3: spec::servise: there is no such key; did you mean service?",
        "slo.yaml:10:39: spec::objectives[0]::target: 2: use a number above 0 and at most 1",
    ]


REFERRED = f"""
apiVersion: openslo/v1
kind: DataSource
metadata: {{name: ours}}
spec: {{type: otel_fe}}
---
apiVersion: openslo/v1
kind: SLI
metadata: {{name: duration}}
spec: {THRESHOLD.replace("type: otel_fe", "metricSourceRef: ours")}
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {{name: fast}}
spec: {{severity: page, condition: {{kind: burnrate, op: gt, threshold: 14.4, lookbackWindow: 1h, alertAfter: 5m}}}}
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {{name: policy}}
spec: {{alertWhenBreaching: true, conditions: [{{conditionRef: fast}}], notificationTargets: [{{targetRef: on-call}}]}}
---
{SLO.replace(f"indicator: {{spec: {THRESHOLD}}}", "indicatorRef: duration")}  alertPolicies: [{{alertPolicyRef: policy}}]
"""


def test_documents_refer_to_each_other():
    """Documents refer to each other in any order of the file; each policy has one alert, instead of the recommended ones."""
    (slo,) = read(REFERRED)
    assert slo.indicator == read(SLO)[0].indicator
    alert = BurnAlert("burn", "page", HOUR_NS, 0, Fraction("0.144"), 5 * MINUTE_NS, targets=("on-call",))
    assert slo.alerts == (alert,)
    backwards = "\n---\n".join(reversed(REFERRED.split("\n---\n")))
    assert read(backwards) == (slo,)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "indicatorRef: duration",
            "indicatorRef: duratio",
            "spec::indicatorRef: duratio: no SLI in this file has this name; did you mean duration?",
        ),
        (
            "metricSourceRef: ours",
            "metricSourceRef: our",
            "spec::thresholdMetric::metricSource::metricSourceRef: our: no DataSource in this file has this name; did you mean ours?",
        ),
        (
            "conditionRef: fast",
            "conditionRef: slow",
            "spec::conditions[0]::conditionRef: slow: no AlertCondition in this file has this name",
        ),
        (
            "alertPolicyRef: policy",
            "alertPolicyRef: p",
            "spec::alertPolicies[0]::alertPolicyRef: p: no AlertPolicy in this file has this name",
        ),
        ("op: gt", "op: lte", "spec::condition::op: lte: an alert fires above a burn rate: use gt or gte"),
        (
            "lookbackWindow: 1h",
            "lookbackWindow: 1M",
            "spec::condition::lookbackWindow: 1M: months, quarters and years differ in length; use m, h, d or w, for example 30d",
        ),
        (
            "alertWhenBreaching: true",
            "alertWhenNoData: true",
            "spec::alertWhenNoData: true: missing extractions are a throughput drop, which has its own alert: use false, or omit it",
        ),
        (
            "{targetRef: on-call}",
            "{kind: X, targetRef: on-call}",
            "spec::notificationTargets[0]::kind: OpenSLO has this, but it is not supported here; name it with targetRef; the receiver of the alert routes it",
        ),
        (
            "{type: otel_fe}",
            "{type: otel_fe, connectionDetails: {a: 1}}",
            "spec::connectionDetails: OpenSLO has this, but it is not supported here; there is nothing to connect to",
        ),
        (
            "target: 0.99",
            "target: 0.7",
            "spec::alertPolicies[0]: 14.4x is out of reach: at an objective of 70 % everything bad burns at 3.333x; use a threshold below 3.333",
        ),
        (
            "target: 0.99",
            "target: 1",
            "spec::alertPolicies[0]: an objective of 100 % has no budget to burn; leave alertPolicies out",
        ),
        (
            "name: slow}",
            "name: slow}\nmetadata: {name: b}",
            "metadata: this key is already on line 25; keep one of them",
        ),
    ],
)
def test_what_is_wrong_between_documents_is_said_once(old, new, problem):
    """A problem between documents is reported once, at its origin, and not at the documents that refer to it."""
    assert read(REFERRED.replace(old, new)) == [problem]


def test_slo_events_are_those_of_one_slo():
    """Events of one SLO must be selected, or every extraction would count four times; `good` is true or false, not a word."""
    text = default_text().split("\n---\n")[2]
    where = "spec::indicator::spec::ratioMetric::total::metricSource::spec"
    assert read(text.replace("{slo: cache_hit_rate}", "{service.name: shop}")) == [
        f"{where}: name the SLO: add slo to the attributes"
    ]
    assert read(text.replace("{slo: cache_hit_rate}", "5")) == [
        f"{where}: name the SLO: add slo to the attributes",
        f"{where}::attributes: 5: use a mapping",
    ]
    assert read(text.replace("{slo: cache_hit_rate}", "{slo: cache}")) == [
        (
            f"{where}::attributes::slo: cache: no requirement has this name; "
            "use one of latency, cache_hit_rate, error_rate, memory"
        )
    ]
    (problem,) = read(text.replace("good: true}", "good: 'true'}"))
    assert problem.endswith("attributes::good: true: use true or false")


def test_names_are_unique_by_kind():
    """Names are unique per kind, and a file without an SLO is an error."""
    assert read(f"{SLO}\n---\n{SLO}") == [
        "metadata::name: slow: another SLO in this file already has this name; use a unique one"
    ]
    assert read("apiVersion: openslo/v1\nkind: Service\nmetadata: {name: shop}\nspec: {}") == [
        "the file has no document of kind SLO"
    ]


def test_replaced_alerts_are_warned_of():
    """A burn-rate alert that can never fire is replaced, and the warning names its replacement."""
    (first, second) = (str(warning) for warning in read_openslo(default_text(), "f", {}).warnings)
    assert first.startswith(
        "f:71:3: spec::objectives: 14.4x is out of reach: at an objective of 70 % everything bad burns at 3.333x;"
    )
    assert first.endswith("the page fires at 75 % bad instead")
    assert second.endswith("the page fires at 50 % bad instead")


@pytest.mark.thorough
@pytest.mark.parametrize("text", [REFERRED, default_text()], ids=["references", "requirements"])
def test_whatever_is_missing_is_a_problem_and_no_fault(text):
    """Any line, and any half of the file, left out."""
    lines = text.splitlines(keepends=True)
    for index in range(len(lines)):
        for left in (lines[:index] + lines[index + 1 :], lines[:index], lines[index:]):
            read("".join(left))


def test_variables_are_replaced():
    """Environment variables are replaced as in the Collector's YAML."""
    (slo,) = read(SLO.replace("service: shop", "service: ${env:SHOP}"), SHOP="search")
    assert slo.service == "search"
