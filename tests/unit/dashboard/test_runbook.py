"""Every link of an alert to the runbook leads to an entry that says what to do."""

from __future__ import annotations

from otel_fe.alerting import AlertType, Origin
from otel_fe.pipeline.attribution import CAUSES
from tests.unit.dashboard.conftest import Elements


def test_every_alert_and_cause_has_an_entry(asked):
    text = asked.text("/runbook")
    anchors = {attrs.get("id") for attrs in Elements(text).all("div")}
    origin = Origin(page="http://localhost:8899")
    for kind in AlertType:
        for cause in ("", "TimeoutError", *CAUSES):
            path, _, anchor = origin.runbook_url(kind.value, cause, "shop", "user").partition("#")
            assert path == "http://localhost:8899/runbook"
            assert anchor in anchors
    assert "Open one of the traces: its longest client span names the service or statement that is slow." in text
