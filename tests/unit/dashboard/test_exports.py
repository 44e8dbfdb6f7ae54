"""Exports, and the seed's component."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime

import pytest

from otel_fe.dashboard import FeatureExtractionDashboard
from otel_fe.dashboard.overview import overview
from otel_fe.dashboard.view_address import ViewAddress
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


def read(text):
    """Return the rows of a CSV file as a reader of tables has them."""
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_a_row_for_each_feature_set_and_step_with_units_in_the_headings(dashboard):
    rows = read(dashboard.export_dashboard_data("csv"))
    window = next(row for row in rows if row["span"] == "window" and row["feature set"] == "(all)")
    assert (window["extractions"], window["100 ms or more (%)"], window["cache hits (%)"]) == ("100", "10", "50")
    assert float(window["p95 (ms)"]) == pytest.approx(150, rel=0.05)
    assert {row["span"] for row in rows} == {"window", "step"}
    for row in rows:
        assert datetime.fromisoformat(row["from (ISO 8601)"]) <= datetime.fromisoformat(row["until (ISO 8601)"])
        assert not [value for value in row.values() if value.startswith("=")], "a formula"
        assert not [value for value in row.values() if len(value.partition(".")[2].partition("+")[0]) > 9], "noise"


def test_html_needs_nothing_else(dashboard, tmp_path):
    file = tmp_path / "report.html"
    text = dashboard.export_dashboard_data("html", file)
    assert file.read_text(encoding="utf-8") == text
    elements = Elements(text)
    assert not [attrs for _, attrs in elements.found if "src" in attrs or "href" in attrs]
    assert "p95 (ms)" in text
    assert "_ns" not in text.lower()


def test_the_files_have_the_page_s_figures(asked, stored):
    """Exported figures are those of the page, of all and of each group, in the window and in every step, to nine digits."""
    address = ViewAddress(range="1h")
    page = overview(stored, address)
    rows = read(asked.text("/export.csv?range=1h"))
    windows = {(row["service"], row["feature set"]): row for row in rows if row["span"] == "window"}
    shown = {(one["service"], one["feature_set"]): one["figures"] for one in page["groups"]}
    assert windows.keys() == shown.keys() | {("(all)", "(all)")}
    for group, figures in {**shown, ("(all)", "(all)"): page["figures"]}.items():
        row = windows[group]
        assert int(row["extractions"]) == figures.extractions
        for column, value in {
            "rate (1/s)": figures.per_s,
            "p50 (ms)": figures.p50_ns / 1e6,
            "p95 (ms)": figures.p95_ns / 1e6,
            "p99 (ms)": figures.p99_ns / 1e6,
            "mean (ms)": figures.mean_ns / 1e6,
            "errors (%)": 100 * figures.error_ratio,
            "cache hits (%)": 100 * figures.hit_ratio,
        }.items():
            assert float(row[column]) == pytest.approx(value, rel=1e-8), (group, column)
    steps = [row for row in rows if row["span"] == "step" and row["service"] == "(all)"]
    assert [int(row["extractions"]) for row in steps] == [one.extractions for one in page["over_time"].steps]
    told = json.loads(asked.answer("/export.json?range=1h").body)
    assert told["real_time_performance"]["p95_ms"] == page["figures"].p95_ns / 1e6
    assert len(told["performance_trends"]["steps"]) == len(rows) - len(windows)
    assert told["system_health"]["parts"][0]["allowed_ratio"] == 0.05


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
