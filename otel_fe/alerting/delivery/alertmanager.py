"""Alerts to Prometheus' Alertmanager, by its v2 API: https://github.com/prometheus/alertmanager, api/v2/openapi.yaml."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from otel_fe.alerting.alert import State
from otel_fe.alerting.delivery.http import Poster
from otel_fe.alerting.message import ANNOTATIONS, parts, text_of
from otel_fe.clock import SystemClock
from otel_fe.semconv import FEATURE_SET

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_fe.alerting.alert import Alert
    from otel_fe.clock import Clock

_PATH: Final = "/api/v2/alerts"
JOB: Final = "job"
"""Label of the service, as in Prometheus."""
_FEATURE_SET: Final = FEATURE_SET.replace(".", "_")
_MOST_INCIDENTS: Final = 1_000
_MISSED: Final = 4
"""An alert ends once so many repetitions are missing, as in Prometheus."""


class Alertmanager:
    """A receiver that keeps Alertmanager informed: it repeats what fires, since Alertmanager forgets what is not repeated.

    An incident is one alert there. Its annotations hold the whole message (`text`) and its parts, for templates.

    Args:
        url: Of the Alertmanager, with its route prefix if it has one. Only its host is ever shown.
        labels: Added to each alert, for its routes.
        repeat_s: How often what fires is repeated.
        clock: For the time at which an alert ends if it is not repeated.
        more: `tries`, `timeout_s`, `first_wait_s` of `Poster`.

    Raises:
        ConfigurationError: The address is no URL to post to.
    """

    takes_incidents: Final = True

    def __init__(
        self,
        url: str,
        labels: Mapping[str, str] | None = None,
        repeat_s: float = 60.0,
        clock: Clock | None = None,
        **more: Any,
    ) -> None:
        self._poster = Poster(url.rstrip("/") + _PATH, **more)
        self._labels = dict(labels or {})
        self.repeat_s = repeat_s
        self._clock = SystemClock() if clock is None else clock
        self._posted: OrderedDict[str, tuple[dict[str, str], str]] = OrderedDict()
        """Keyed by incident: the labels and the start that it was posted with last."""

    def __call__(self, alert: Alert) -> None:
        """Post one alert.

        Raises:
            DeliveryError: The alert could not be delivered.
        """
        self.repeat([alert])

    def repeat(self, alerts: Sequence[Alert]) -> None:
        """Post alerts, all that fire in one request: Alertmanager resolves what is not repeated.

        Args:
            alerts: All that fire; with none, nothing is posted.

        Raises:
            DeliveryError: The alerts could not be delivered.
        """
        if alerts:
            self._poster.post([entry for alert in alerts for entry in self._entries(alert)])

    def __repr__(self) -> str:
        return f"Alertmanager({self._poster.host}/…)"

    def _entries(self, alert: Alert) -> list[dict[str, object]]:
        """Return an alert's entry, and the end of the one that it takes the place of: a ticket that has become a page."""
        entry = self._entry(alert)
        labels, starts = entry["labels"], entry["startsAt"]
        before = self._posted.pop(alert.incident, None) if alert.incident else None
        if alert.incident and alert.state is not State.RESOLVED:
            self._posted[alert.incident] = labels, starts
            if len(self._posted) > _MOST_INCIDENTS:
                self._posted.popitem(last=False)
        if before is None or before[0] == labels:
            return [entry]
        now = _rfc3339(self._clock.time_ns() / 1e9)
        return [{**entry, "labels": before[0], "startsAt": before[1], "endsAt": now}, entry]

    def _entry(self, alert: Alert) -> dict[str, Any]:
        ends = alert.resolved_unix_s
        if alert.state is not State.RESOLVED:
            ends = self._clock.time_ns() / 1e9 + _MISSED * self.repeat_s
        labels = {
            **self._labels,
            "alertname": "FeatureExtraction" + alert.type.name.title().replace("_", ""),
            "severity": alert.severity.value,
            "service": alert.service_name or alert.service,
            "feature_set": alert.feature_set,
            "subject": alert.subject,
            "key": alert.key,
            # As the rendered rules have them, so that what Prometheus and a process say of one feature set comes as one message.
            JOB: alert.service_name or alert.service,
            _FEATURE_SET: alert.feature_set,
        }
        lines = {ANNOTATIONS[name]: words for name, words in parts(alert).items() if name in ANNOTATIONS}
        annotations = {
            **lines,
            "summary": alert.title,
            "description": alert.message,
            "observed": f"{alert.observed:.6g} {alert.unit}",
            "threshold": f"{alert.threshold:.6g} {alert.unit}",
            "first_action": alert.first_action,
            "exemplars": " ".join(alert.exemplars),
            "line": alert.cause_line,
            "incident": alert.incident,
            "text": text_of(alert),
        }
        return {
            # An empty label is no label to Alertmanager.
            "labels": {name: value for name, value in labels.items() if value},
            "annotations": {name: value for name, value in annotations.items() if value},
            "startsAt": _rfc3339(alert.fired_unix_s or alert.since_unix_s),
            "endsAt": _rfc3339(ends),
        }


def _rfc3339(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, timezone.utc).isoformat(timespec="milliseconds")
