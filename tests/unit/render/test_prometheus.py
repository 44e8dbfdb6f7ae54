from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from otel_fe.cli import main
from otel_fe.config.openslo import default_slos, default_text, read_openslo
from otel_fe.render.prometheus import FILE, prometheus_rules
from otel_fe.render.rule_file import literal

GOLDEN = Path(__file__).parents[2] / "golden" / FILE


def rules_of(text):
    """Return the rules of a file, by their name and window."""
    groups = yaml.safe_load(text)["groups"]
    return {
        (rule.get("record") or rule["alert"], rule["labels"].get("window"), rule["labels"].get("severity")): rule
        for group in groups
        for rule in group["rules"]
    }


def test_the_committed_rules_are_those_of_the_requirements():
    """`otel-fe render prometheus --out tests/golden` would change nothing."""
    assert GOLDEN.read_text() == prometheus_rules(default_slos())


def test_they_are_yaml_without_surprises():
    """Quotes, colons and signs of a title read as what was meant."""
    odd = 'a: "b" # {c}\\n'
    (first, *_) = default_slos()
    rules = rules_of(prometheus_rules([replace(first, title=odd, description=odd)]))
    assert len(rules) == 18
    page = rules["FeatureExtractionErrorBudgetBurn", "1h", "page"]
    assert page["annotations"]["summary"].startswith(odd)


@pytest.mark.parametrize(
    "odd",
    [
        "two\nlines",
        "two\r\nlines",
        "a\x85b",
        "a\u2028b\u2029c",
        "\x00\x1b\x7f",
        "\ufeff",
        "{{ $value }}",
        "{{ range",
        "}} {{{ %}",
        "\U0001f600\U000e0001",
    ],
)
def test_texts_of_slos_are_read_as_they_are(odd):
    """Line breaks of all kinds, characters that cannot be printed, and what Prometheus would take for a template."""
    (first, *_) = default_slos()
    slo = replace(
        first,
        title=odd,
        description=odd,
        service=odd,
        alerts=tuple(replace(alert, note=odd, targets=(odd,)) for alert in first.alerts),
    )
    rules = rules_of(prometheus_rules([slo]))
    assert len(rules) == 18
    page = rules["FeatureExtractionErrorBudgetBurn", "1h", "page"]
    assert page["labels"]["slo_service"] == page["labels"]["targets"] == literal(odd)
    assert page["annotations"]["summary"].startswith(f"{literal(odd)}: {{{{ $value | humanizePercentage }}}} bad")
    assert literal(odd) in page["annotations"]["description"]


def test_braces_are_written_as_a_template_that_prints_them():
    """`{{ "{{" }}` is Go's own way to write them (text/template)."""
    assert literal("{{ $x }} and {{") == '{{ "{{" }} $x }} and {{ "{{" }}'
    assert literal("{ } }}") == "{ } }}"


def test_the_command(tmp_path, capsys):
    """Prints the rules, or writes them into a folder that it makes; warnings go to stderr."""
    assert main(["render", "prometheus"]) == 0
    out, err = capsys.readouterr()
    assert out == GOLDEN.read_text()
    assert "requirements.yaml:71:3" in err
    folder = tmp_path / "new" / "rules"
    own = tmp_path / "slo.yaml"
    own.write_text(default_text().replace("target: 0.99", "target: 0.995"))
    assert main(["render", "prometheus", "--slo", str(own), "--out", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder / FILE}\n"
    assert "> 0.072\n" in (folder / FILE).read_text()


def test_a_file_with_problems_is_not_rendered(tmp_path, capsys):
    """A file with problems is reported, and no rules are written."""
    own = tmp_path / "slo.yaml"
    own.write_text(default_text().replace("target: 0.7", "target: 7"))
    assert main(["render", "prometheus", "--slo", str(own), "--out", str(tmp_path / "out")]) == 1
    assert (
        capsys.readouterr().err
        == f"otel-fe render: {own}:72:7: spec::objectives[0]::target: 7: use a number above 0 and at most 1\n"
    )
    assert not (tmp_path / "out").exists()


def test_policies_and_calendars():
    """A policy's `alertAfter` and targets, and a budget that only we can tell."""
    policy = """
  alertPolicies:
    - kind: AlertPolicy
      metadata: {name: p}
      spec:
        conditions:
          - kind: AlertCondition
            metadata: {name: c}
            spec: {severity: sev1, condition: {op: gt, threshold: 10, lookbackWindow: 2h, alertAfter: 10m}}
        notificationTargets: [{targetRef: a}, {targetRef: b}]
"""
    first = default_text().split("\n---\n")[1]
    calendar = "duration: 1M\n      calendar: {startTime: 2026-01-01 00:00:00, timeZone: UTC}"
    text = first.replace("duration: 30d\n      isRolling: true", calendar) + policy
    rules = prometheus_rules(read_openslo(text, "f", {}).slos)
    found = rules_of(rules)
    alert = found["FeatureExtractionErrorBudgetBurn", "2h", "sev1"]
    assert alert["for"] == "10m"
    assert alert["labels"]["targets"] == "a,b"
    assert alert["annotations"]["description"] == "Fires at more than 50 % bad in the last 2h (10x the budget)."
    assert "only otel_fe tells what is left" in rules
    assert not any(name.startswith("otel_fe:slo_error_budget") for name, *_ in found)
