"""The origin of an alert: the service's name, and the dashboard and runbook that it links to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from otel_fe.config.web_address import web_address
from otel_fe.pipeline.attribution import CAUSES

BEFORE_S: Final = 600.0
"""The page that an alert links to shows this long before its beginning, so that the change is seen."""
AFTER_S: Final = 600.0
"""The page shows at most this long after the beginning, where that was long ago."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of an alert.

    Raises:
        ConfigurationError: An address cannot be opened in a browser, or holds a password.
    """

    service: str = ""
    """`service.name` of this process, for its own alerts; empty if unknown."""
    page: str = ""
    """Address of the dashboard that shows its traces, for example `https://otel-fe.example.com`; empty for no links."""
    runbook: str = ""
    """Address of the runbook, with `{cause}`, `{alert}`, `{service}` and `{feature_set}` filled in; empty for the dashboard's."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "page", web_address("page URL", self.page))
        object.__setattr__(self, "runbook", web_address("runbook URL", self.runbook))

    def trace_url(self, trace_id: str) -> str:
        """Return the address of a trace's page; empty without a dashboard.

        Args:
            trace_id: 32 hexadecimal digits, as in `Alert.exemplars`.
        """
        return f"{self.page}/trace/{trace_id}" if self.page else ""

    def page_url(self, service: str, feature_set: str, since_unix_s: float, until_unix_s: float = 0.0) -> str:
        """Return the address of the page of a group at the time of an alert; empty without a dashboard.

        Args:
            service: Of the alert; empty for this process.
            feature_set: Empty for every one.
            since_unix_s: When it began.
            until_unix_s: When it ended; 0 while it lasts.
        """
        if not self.page:
            return ""
        since, until = since_unix_s - BEFORE_S, max(until_unix_s, since_unix_s) + AFTER_S
        named = {"service": service or self.service, "feature_set": feature_set}
        pairs = {"since": f"{since * 1e3:.0f}", "until": f"{until * 1e3:.0f}", **{k: v for k, v in named.items() if v}}
        return f"{self.page}/explore?{urlencode(pairs)}"

    def runbook_url(self, alert: str, cause: str, service: str, feature_set: str) -> str:
        """Return the address of the runbook for an alert; the dashboard's own where there is no other, empty without either.

        Args:
            alert: The value of its `AlertType`, for example `latency_threshold`.
            cause: `Alert.cause`; empty where it is not known.
            service: Of the alert; empty for this process.
            feature_set: Of the alert; empty where it is not about one.
        """
        if not self.runbook:
            return f"{self.page}/runbook#{quote(cause if cause in CAUSES else alert)}" if self.page else ""
        values = {
            "alert": alert,
            "cause": cause or alert,
            "service": service or self.service,
            "feature_set": feature_set,
        }
        url = self.runbook
        for name, value in values.items():
            url = url.replace(f"{{{name}}}", quote(value, safe=""))
        return url
