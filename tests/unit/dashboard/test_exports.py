"""Exports, and the seed's component."""

from __future__ import annotations

import csv
import io
import json

import pytest

from otel_fe.dashboard import FeatureExtractionDashboard
from otel_fe.enhanced_metrics import EnhancedMetricsCollector
from otel_fe.testing import FakeClock
from tests.unit.dashboard.conftest import Elements
from tests.unit.store.parts import T0


@pytest.fixture
def dashboard():
    """Return a dashboard over a collector with a hundred extractions, of which ten are slow."""
    collector = EnhancedMetricsCollector(include_process=False, clock=FakeClock(T0))
    found = FeatureExtractionDashboard(collector)
    for number in range(100):
        collector.add_feature_extraction_metrics(
            {
                "duration_ms": 150.0 if number < 10 else 30.0,
                "used_cache": number % 2 == 0,
                "feature_set": "=cmd|' /C calc'!A0",
            }
        )
    yield found
    found.close()


def test_the_sample_of_the_seed_works_as_it_is_written():
    dashboard = FeatureExtractionDashboard()
    dashboard_data = dashboard.get_real_time_dashboard_data()
    trends = dashboard.get_performance_trends()
    exported_data = dashboard.export_dashboard_data()
    assert set(dashboard_data) == {
        "time_unix_s",
        "real_time_performance",
        "performance_trends",
        "system_health",
        "alerts",
        "resources",
    }
    assert trends["hours"] == 1.0
    assert json.loads(exported_data)["system_health"]["status"] == "no data"
    dashboard.close()


def test_its_sections_say_what_happened(dashboard):
    found = dashboard.get_real_time_dashboard_data()
    assert found.real_time_performance.total_extractions == 100
    assert found["real_time_performance"]["slow_extractions"] == 10
    latency = next(part for part in found.system_health.parts if part.name == "latency")
    assert (latency.good, latency.total, latency.met) == (90, 100, False)
    assert found.system_health.status != "healthy"
    assert dashboard.get_performance_trends(hours=2.0).hours == 2.0


def test_json_is_the_same_data(dashboard):
    found = json.loads(dashboard.export_dashboard_data())
    assert found["real_time_performance"]["total_extractions"] == 100


def test_csv_has_a_row_for_each_figure_with_its_unit(dashboard):
    rows = {
        name: (value, unit) for name, value, unit in csv.reader(io.StringIO(dashboard.export_dashboard_data("csv")))
    }
    assert rows["figure"] == ("value", "unit")
    assert rows["real_time_performance.total_extractions"] == ("100", "")
    assert rows["real_time_performance.p95_latency_ms"][1] == "ms"
    assert not [name for name, (value, _) in rows.items() if value.startswith("=") or name.startswith("=")], "a formula"


def test_html_needs_nothing_else(dashboard, tmp_path):
    file = tmp_path / "report.html"
    text = dashboard.export_dashboard_data("html", file)
    assert file.read_text(encoding="utf-8") == text
    elements = Elements(text)
    assert not [attrs for _, attrs in elements.found if "src" in attrs or "href" in attrs]
    assert "Real time performance" in text


def test_another_format_is_refused(dashboard):
    with pytest.raises(ValueError, match="use one of json, csv, html"):
        dashboard.export_dashboard_data("pdf")


@pytest.mark.parametrize("kind", ["json", "csv", "html"])
def test_the_store_is_exported_too(asked, kind):
    answer = asked.answer(f"/export.{kind}?range=6h")
    assert answer.status == 200
    assert dict(answer.headers)["Content-Disposition"] == f'attachment; filename="feature-extraction.{kind}"'
    assert b"user_profile" in answer.body
    if kind == "json":
        sections = {"real_time_performance", "performance_trends", "system_health", "alerts", "recommendations"}
        assert sections < set(json.loads(answer.body))


def test_no_other_file_is(asked):
    assert asked.answer("/export.exe").status == 400
    for path in ("/static/../cli.py", "/static/..%2fcli.py", "/static/dashboard.py", "/static/", "/static/.hidden.css"):
        assert asked.answer(path).status == 404
