"""The message of an alert: one wording for log events, webhooks, Alertmanager and pages.

PAGE: p95 latency of transaction_history is 156 ms, service shop
Since: 2026-11-28 03:12:05 UTC
How bad: about 1 in 3 extractions (38 of 120 extractions took 100 ms or more)
Likely cause: 81 % of slow time in SELECT … transactions (features.py:86 transaction_history)
Also: SLO latency of transaction_history is 14.4 x budget
Traces: https://otel-fe.example.com/trace/4bf9…
Page: https://otel-fe.example.com/explore?since=…
First: Open one of the traces: its longest client span names the service or statement that is slow.
Runbook: https://otel-fe.example.com/runbook#downstream
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.alerting.alert import State
from otel_fe.formatting import clock_time, elapsed
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from otel_fe.alerting.alert import Alert

ANNOTATIONS: Final = {
    "Since": "since",
    "How bad": "how_bad",
    "Likely cause": "cause",
    "Also": "also",
    "Traces": "traces",
    "Page": "page_url",
    "First": "first_action",
    "Runbook": "runbook_url",
}
"""Keyed by the name of a line: the annotation that holds it in Alertmanager and in Prometheus's rules."""
_MOST_RELATED: Final = 5
_NEARLY_ALL: Final = 0.9
_MANY: Final = 0.36
"""From this share on, tenths read better than "1 in 2"."""


def text_of(alert: Alert) -> str:
    """Return all that is known of an alert, or of the incident that it speaks for, a line for each thing."""
    lines = [headline(alert), *(f"{name}: {words}" for name, words in parts(alert).items())]
    return "\n".join(lines)


def headline(alert: Alert) -> str:
    """Return what is wrong, where, in one line: `PAGE: p95 latency of user_profile is 150 ms, service shop`."""
    state = "RESOLVED" if alert.state is State.RESOLVED else alert.severity.value.upper()
    return f"{state}: {alert.title.removeprefix('Resolved: ')}{in_service(alert)}"


def parts(alert: Alert) -> dict[str, str]:
    """Return the lines behind the headline, by their names; what is not known is absent."""
    resolved = alert.state is State.RESOLVED
    since = clock_time(alert.since_unix_s * NS_PER_S)
    if resolved:
        since += f", until {clock_time(alert.resolved_unix_s * NS_PER_S)} ({elapsed(alert.resolved_unix_s - alert.since_unix_s)})"
    hidden = len(alert.related) - _MOST_RELATED
    also = "; ".join(alert.related[:_MOST_RELATED]) + (f"; and {hidden} more" if hidden > 0 else "")
    ending = {"recovered": "recovered", "no data": "nothing is measured any more; see whether it still runs"}
    found = {
        "Since": since,
        "Ended": (alert.ended or ending.get(alert.resolution, alert.resolution)) if resolved else "",
        "How bad": "" if resolved else alert.impact,
        "Likely cause": alert.cause_detail or alert.cause,
        "Also": also,
        "Traces": " ".join(alert.trace_urls or alert.exemplars),
        "Page": alert.page_url,
        "First": "" if resolved else alert.first_action,
        "Runbook": "" if resolved else alert.runbook_url,
    }
    return {name: words for name, words in found.items() if words}


def in_service(alert: Alert) -> str:
    """Return `, service shop`; empty if the service is unknown or in the title."""
    name = alert.service_name or alert.service
    return (
        f", service {name}"
        if name and not alert.title.endswith(f" in {name}") and f" in {name} is " not in alert.title
        else ""
    )


def share_in_words(bad: int, total: int) -> str:
    """Return a share in words: `about 1 in 3 extractions`, `7 in 10 extractions`, `every extraction`."""
    share = bad / total
    if bad >= total:
        return "every extraction"
    if share >= _NEARLY_ALL:
        return "nearly every extraction"
    if share >= _MANY:
        return f"{round(share * 10)} in 10 extractions"
    return f"about 1 in {round(1 / share)} extractions"
