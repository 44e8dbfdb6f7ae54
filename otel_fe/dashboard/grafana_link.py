"""Links from pages to the rendered Grafana dashboard about extractions, for the same service, feature set and time."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from otel_fe.render.grafana import EXTRACTIONS
from otel_fe.units import NS_PER_MS


@dataclass(frozen=True, slots=True)
class GrafanaLink:
    """A Grafana that has the rendered dashboards."""

    base: str
    """Its address, without a slash at the end."""

    def url(self, window: tuple[int, int], service: str = "", feature_set: str = "") -> str:
        """Return the address of the dashboard.

        Args:
            window: Start and end in Unix ns.
            service: As `service.name` has it; empty for all. Prometheus' `job` is the same, unless the service has a namespace.
            feature_set: Empty for all.
        """
        since, until = (time_ns // NS_PER_MS for time_ns in window)
        chosen = {"var-job": service, "var-set": feature_set}
        query = {"from": since, "to": until, **{name: value for name, value in chosen.items() if value}}
        return f"{self.base}/d/{EXTRACTIONS}?{urlencode(query)}"
