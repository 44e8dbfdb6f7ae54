"""Alertmanager's own tool renders the templates: an incident is one message with all that its alerts know."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from otel_fe.alerting import Alertmanager, Origin, Severity, State, text_of
from otel_fe.render.alertmanager_templates import FILE, templates
from tests.real.prometheus import program
from tests.unit.alerting.test_message import made

FOLDER = Path(__file__).parents[3] / "collector_config"
NEVER = "0001-01-01T00:00:00Z"


def posted(alert):
    """Return an alert as Alertmanager hands it to templates, made of what is posted to it."""
    (entry,) = Alertmanager("http://localhost:9093")._entries(alert)
    status = "resolved" if alert.state is State.RESOLVED else "firing"
    return {**entry, "status": status, "fingerprint": alert.key}


def of_prometheus(name="SLO latency burns", page_url=""):
    """Return an alert of the rendered rules, which knows of no traces."""
    annotations = {
        "summary": name,
        "how_bad": "14 % of extractions were bad in 1h",
        "cause": "",
        "first_action": "Look.",
        "page_url": page_url,
    }
    labels = {"alertname": "FeatureExtractionErrorBudgetBurn", "severity": "page", "job": "shop", "service": "shop"}
    times = {"startsAt": "2023-11-14T22:15:00Z", "endsAt": NEVER}
    return {"labels": labels, "annotations": annotations, "status": "firing", "fingerprint": name, **times}


@pytest.fixture
def rendered(tmp_path):
    """Render a template for some alerts with amtool."""
    (tmp_path / FILE).write_text(templates())

    def render(name, *alerts):
        firing = any(one["status"] == "firing" for one in alerts)
        data = {
            "receiver": "page", "status": "firing" if firing else "resolved", "alerts": list(alerts), "groupLabels": {}, "commonLabels": {},
            "commonAnnotations": {}, "externalURL": "http://localhost:9093",
        }  # fmt: skip
        (tmp_path / "data.json").write_text(json.dumps(data))
        command = [
            program("amtool"), "template", "render", f"--template.glob={tmp_path / FILE}", f"--template.data={tmp_path / 'data.json'}",
            f'--template.text={{{{ template "otel_fe.{name}" . }}}}',
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.rstrip("\n")

    return render


def test_one_alert_is_the_very_text_that_otel_fe_tells(rendered):
    alert = made()
    assert rendered("text", posted(alert)) == text_of(alert)
    assert rendered("title", posted(alert)) == text_of(alert).splitlines()[0]
    assert rendered("page", posted(alert)) == alert.page_url


def test_a_resolved_incident_is_one_message_that_asks_for_nothing(rendered):
    text = rendered("text", posted(made(State.RESOLVED)))
    assert text.startswith("RESOLVED: ")
    assert "until 2023-11-14 22:23:20 UTC" in text
    assert "First:" not in text


def test_a_group_is_one_message_in_which_a_page_speaks_with_the_cause_of_another(rendered):
    ticket = replace(made(), severity=Severity.TICKET, key="p95")
    text = rendered("text", posted(ticket), of_prometheus())
    assert text.count("PAGE:") == 1
    assert text.startswith("PAGE: SLO latency burns, service shop\nSince: 2023-11-14 22:15:00 UTC\nHow bad: 14 %")
    assert "Likely cause: 81 % of slow time in SELECT … transactions (features.py:86 transaction_history)" in text
    assert "Also: P95 latency of transaction_history is 156 ms" in text
    assert f"Traces: https://fe.example/trace/{'a' * 32}" in text


def test_the_page_of_a_rule_is_opened_at_the_time_of_its_alert(rendered):
    page = rendered("page", of_prometheus(page_url="https://fe.example/explore?service=shop"))
    assert page == "https://fe.example/explore?service=shop&since=1699999500000&until=1700000700000"
    assert rendered("page", posted(made(origin=Origin()))) == ""


def test_what_is_hostile_is_text_in_mail(rendered):
    alert = replace(made(), cause_detail="<script>alert(1)</script> {{ .Labels }}")
    assert "{{ .Labels }}" in rendered("text", posted(alert))


@pytest.mark.parametrize("name", ["alertmanager.yaml", "alertmanager_receivers.yaml"])
def test_alertmanager_takes_the_rendered_settings(name):
    done = subprocess.run(
        [program("amtool"), "check-config", str(FOLDER / name)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
