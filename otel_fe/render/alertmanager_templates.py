"""Alertmanager's message templates: an incident as one text, in the words that otel_fe's own log events and webhooks have.

An alert's annotations hold what is known of it (`otel_fe.alerting.message.ANNOTATIONS`). Of a group's alerts a page speaks, with
the cause of the one that knows it. Checked with `amtool template render`.
"""

from __future__ import annotations

from typing import Final

from otel_fe.alerting.message import ANNOTATIONS
from otel_fe.alerting.origin import AFTER_S, BEFORE_S
from otel_fe.units import NS_PER_S

FILE: Final = "alertmanager.tmpl"
_OF_GO: Final = '"2006-01-02 15:04:05 MST"'
_LEAD: Final = (
    "{{- $alerts := .Alerts }}{{ if .Alerts.Firing }}{{ $alerts = .Alerts.Firing }}{{ end }}"
    "{{- $lead := index $alerts 0 }}"
    '{{- range $alerts }}{{ if and (eq .Labels.severity "page") (ne $lead.Labels.severity "page") }}'
    "{{ $lead = . }}{{ end }}{{ end }}"
    "{{- $knowing := $lead }}"
    "{{- range $alerts }}{{ if and .Annotations.cause (not $knowing.Annotations.cause) }}{{ $knowing = . }}{{ end }}{{ end -}}"
)
"""The alert that speaks: a page before a ticket; and the one that knows the cause."""
_HEADLINE: Final = (
    '{{ if eq .Status "resolved" }}RESOLVED{{ else }}{{ $lead.Labels.severity | toUpper }}{{ end }}: '
    "{{ or $lead.Annotations.summary $lead.Labels.alertname }}"
    "{{ with $lead.Labels.service }}, service {{ . }}{{ end }}"
)
_SINCE: Final = (
    "Since: {{ if $lead.Annotations.since }}{{ $lead.Annotations.since }}{{ else }}{{ $lead.StartsAt.UTC.Format "
    f"{_OF_GO} }}}}{{{{ end }}}}"
    '{{ if eq .Status "resolved" }}, until {{ $lead.EndsAt.UTC.Format '
    f"{_OF_GO} }}}}{{{{ end }}}}"
)


def templates() -> str:
    """Return the file of templates: `otel_fe.title`, `otel_fe.text`, `otel_fe.html` and `otel_fe.page`."""
    return "\n".join(
        (
            "{{/* Written by `otel-fe render collector`; used by alertmanager.yaml and alertmanager_receivers.yaml. */}}",
            _defined("otel_fe.title", _LEAD + _HEADLINE),
            _defined("otel_fe.text", _LEAD + _HEADLINE + f"\n{_SINCE}" + "".join(_lines())),
            _defined("otel_fe.page", f"{_LEAD}{_page()}"),
            _defined("otel_fe.html", '<pre style="white-space: pre-wrap">{{ template "otel_fe.text" . }}</pre>'),
        )
    )


def _defined(name: str, body: str) -> str:
    return f'{{{{ define "{name}" }}}}{body}{{{{ end }}}}\n'


def _lines() -> list[str]:
    """Return a line for each annotation, left out where it is absent."""
    found = []
    for name, annotation in ANNOTATIONS.items():
        if annotation == "also":
            found.append(
                "{{ range $number, $one := $alerts }}{{ if ne $one.Fingerprint $lead.Fingerprint }}"
                "\nAlso: {{ or $one.Annotations.summary $one.Labels.alertname }}{{ end }}{{ end }}"
                "{{ with $lead.Annotations.also }}\nAlso: {{ . }}{{ end }}"
            )
        elif annotation == "page_url":
            found.append(f"{{{{ with $knowing.Annotations.page_url }}}}\n{name}: {_page()}{{{{ end }}}}")
        elif annotation != "since":
            value = f"(or $lead.Annotations.{annotation} $knowing.Annotations.{annotation})"
            unless = annotation in {"how_bad", "first_action", "runbook_url"}
            before, after = ('{{ if ne $.Status "resolved" }}', "{{ end }}") if unless else ("", "")
            found.append(f"{before}{{{{ with {value} }}}}\n{name}: {{{{ . }}}}{{{{ end }}}}{after}")
    return found


def _page() -> str:
    """Return the page's address, with the time of the alert where the address has none."""
    return (
        "{{ $page := or $lead.Annotations.page_url $knowing.Annotations.page_url }}{{ $page }}"
        '{{ if and $page (not (match "since=" $page)) }}'
        f"&since={{{{ ($lead.StartsAt.Add {-round(BEFORE_S * NS_PER_S)}).UnixMilli }}}}"
        f"&until={{{{ ($lead.StartsAt.Add {round(AFTER_S * NS_PER_S)}).UnixMilli }}}}{{{{ end }}}}"
    )
