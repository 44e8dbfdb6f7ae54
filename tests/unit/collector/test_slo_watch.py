"""The embedded collector alerts on what its store has counted."""

from __future__ import annotations

import logging

import pytest

from otel_fe import semconv
from otel_fe.alerting.kept_silence import KeptSilence
from otel_fe.collector.accounts import GAUGE
from otel_fe.collector.slo_watch import SloWatch, read_slos
from otel_fe.config.problems import InvalidConfigError
from otel_fe.errors import ConfigurationError
from otel_fe.store.silence_file import FILE_NAME, SilenceFile
from tests.unit.alerting.receiving import receiver
from tests.unit.store.parts import HOUR, MINUTE, T0, bed, counter


def count(store, *, good, bad):
    """Count SLO events of a minute, as an SDK does."""
    for told, value in ((True, good), (False, bad)):
        labels = {semconv.SLO: "latency", semconv.GOOD: told, semconv.FEATURE_SET: "user"}
        store.points(counter(value, T0 + MINUTE - 1, name=semconv.SLO_EVENTS, delta=True, **labels))


@pytest.fixture
def store(tmp_path):
    with bed(tmp_path / "store") as made:
        yield made


def test_a_burning_budget_is_told_once(store, caplog):
    """A burning budget is reported once in the log and to Alertmanager, and as gauges, from exact counts."""
    caplog.set_level(logging.INFO, "otel_fe")
    with receiver() as told:
        watch = SloWatch(store.directory, read_slos(None, {}), store.clock, f"http://127.0.0.1:{told.port}")
        count(store, good=100, bad=900)
        store.clock.advance(ns=2 * MINUTE)
        watch.evaluate()
        watch.evaluate()
        watch._alerts.check_performance_alerts(wait_s=5)
        samples = {(s.name, dict(s.labels).get(semconv.WINDOW)): s for s in watch.samples()}
        watch.stop()
    assert samples[semconv.BURN_RATE, "1h"].value == pytest.approx(0.9 / 0.05)
    assert samples[semconv.BUDGET_REMAINING, None].value == pytest.approx(1 - 0.9 / 0.05)
    active = [sample for (name, _), sample in samples.items() if name == semconv.ALERT_ACTIVE]
    assert active
    assert all(sample.kind == GAUGE for sample in samples.values())
    assert all(dict(sample.labels)["service.name"] == "shop" for sample in samples.values())
    pages = [record for record in caplog.records if "alert firing (page)" in record.getMessage()]
    assert 1 <= len(pages) <= 2
    assert len({record.getMessage() for record in pages}) == len(pages)
    assert told.requests
    assert all(path == "/api/v2/alerts" for path, _, _ in told.requests)


def silence(store, **changes):
    """Return a silence of an hour, from now."""
    now = store.clock.time_ns()
    fields = {"slo": "latency", "service": "shop", "feature_set": "user"} | changes
    return KeptSilence("a" * 32, **fields, created_ns=now, until_ns=now + HOUR, author="Ada", comment="deploying")


def test_what_is_silenced_in_the_store_is_not_told_until_it_is_lifted(store, caplog):
    """A silenced alert goes neither to the log nor to Alertmanager; making and lifting the silence is logged once."""
    caplog.set_level(logging.INFO, "otel_fe")
    silences = SilenceFile(store.directory)
    with receiver() as told:
        watch = SloWatch(store.directory, read_slos(None, {}), store.clock, f"http://127.0.0.1:{told.port}")
        count(store, good=100, bad=900)
        store.clock.advance(ns=2 * MINUTE)
        silences.add(silence(store), store.clock.time_ns())
        watch.evaluate()
        watch.evaluate()
        watch._alerts.check_performance_alerts(wait_s=5)
        assert all(alert.silenced for alert in watch._alerts.get_active_alerts())
        assert watch._alerts.get_active_alerts()
        assert told.requests == []
        assert "alert firing" not in caplog.text
        assert caplog.text.count("are silenced until 2023-11-15T00:02:00+00:00, by 'Ada': 'deploying'") == 1
        assert silences.lift("a" * 32)
        watch.evaluate()
        watch._alerts.check_performance_alerts(wait_s=5)
        watch.stop()
    assert told.requests
    assert "alert firing" in caplog.text
    assert caplog.text.count("are no longer silenced") == 1


def test_silences_of_others_hide_nothing(store):
    silences = SilenceFile(store.directory)
    watch = SloWatch(store.directory, read_slos(None, {}), store.clock)
    count(store, good=100, bad=900)
    store.clock.advance(ns=2 * MINUTE)
    silences.add(silence(store, slo="memory"), store.clock.time_ns())
    watch.evaluate()
    assert watch._alerts.get_active_alerts()
    assert not any(alert.silenced for alert in watch._alerts.get_active_alerts())
    watch.stop()


def test_silences_that_cannot_be_read_hide_nothing(store, caplog):
    """A page too many is better than one too few; the log says why."""
    (store.directory / FILE_NAME).write_bytes(b"rubbish " * 100)
    watch = SloWatch(store.directory, read_slos(None, {}), store.clock)
    count(store, good=100, bad=900)
    store.clock.advance(ns=2 * MINUTE)
    watch.evaluate()
    assert not any(alert.silenced for alert in watch._alerts.get_active_alerts())
    assert watch._alerts.get_active_alerts()
    assert "alerts.silences failed" in caplog.text
    watch.stop()


def test_without_events_nothing_is_said(store):
    """An empty store has neither rates nor alerts."""
    watch = SloWatch(store.directory, read_slos(None, {}), store.clock)
    watch.evaluate()
    assert watch.samples() == []
    watch.stop()


def test_a_wrong_file_is_refused_with_its_line(tmp_path):
    """An invalid SLO file is refused with its line, as by `otel-fe check`."""
    path = tmp_path / "slos.yaml"
    path.write_text("apiVersion: openslo/v1\nkind: Slo\n")
    with pytest.raises(InvalidConfigError, match=r"slos\.yaml:2:"):
        read_slos(path, {})


def test_a_file_that_is_no_utf_8_is_refused(tmp_path):
    """A file that is not UTF-8 is refused with the position, like every other user file."""
    path = tmp_path / "slos.yaml"
    path.write_bytes(b"apiVersion: \xff")
    with pytest.raises(ConfigurationError, match=r"slos\.yaml: 'byte 12' cannot be used; write the file in UTF-8"):
        read_slos(path, {})
