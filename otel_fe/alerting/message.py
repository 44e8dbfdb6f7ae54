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

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from otel_fe.alerting.alert import State

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
"""By the name of a line, the annotation that holds it in Alertmanager and in Prometheus's rules."""
_MOST_RELATED: Final = 5
_NEARLY_ALL: Final = 0.9
_MANY: Final = 0.36
"""From here on, tenths say it better than "1 in 2"."""
_MINUTE_S: Final = 60
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400


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
    since = clock(alert.since_unix_s)
    if resolved:
        since += f", until {clock(alert.resolved_unix_s)} ({lasting(alert.resolved_unix_s - alert.since_unix_s)})"
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


def clock(unix_s: float) -> str:
    """Return a time with its zone."""
    return datetime.fromtimestamp(unix_s, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def lasting(seconds: float) -> str:
    """Return a duration in words: `40 s`, `12 min`, `3 h 5 min`, `2 d 4 h`."""
    whole = max(0, round(seconds))
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min"
    large, small, names = (_DAY_S, _HOUR_S, ("d", "h")) if whole >= _DAY_S else (_HOUR_S, _MINUTE_S, ("h", "min"))
    rest = whole % large // small
    return f"{whole // large} {names[0]}" + (f" {rest} {names[1]}" if rest else "")


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
