"""Prometheus's rule files as values and as text. Written without PyYAML, so that the same rules are the same bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from otel_fe.render.yaml_file import comment_lines, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class PrometheusRule:
    """A recording rule or an alerting rule."""

    name: str
    expression: str
    """PromQL, of one line or several."""
    alerting: bool = False
    after: str = ""
    """Time for which the condition must hold before it fires, such as `5m`; empty to fire at once."""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules that are evaluated together, in their order."""

    name: str
    rules: Sequence[PrometheusRule]
    interval: str = ""
    """Such as `5m`; empty for Prometheus's own."""
    comments: Sequence[str] = ()


def write(groups: Sequence[RuleGroup], comments: Sequence[str] = ()) -> str:
    """Return the text of a rule file."""
    lines = [line for comment in comments for line in comment_lines(comment)]
    lines.append("groups:")
    for group in groups:
        lines += [line for comment in group.comments for line in comment_lines(comment, "  ")]
        lines.append(f"  - name: {quoted(group.name)}")
        lines += [f"    interval: {group.interval}"] if group.interval else []
        lines.append("    rules:")
        for rule in group.rules:
            lines += _rule(rule)
    return "\n".join(lines) + "\n"


def _rule(rule: PrometheusRule) -> list[str]:
    lines = [f"      - {'alert' if rule.alerting else 'record'}: {rule.name}", "        expr: |"]
    lines += [f"          {line}" for line in rule.expression.split("\n")]  # and not at what `splitlines` breaks
    lines += [f"        for: {rule.after}"] if rule.after else []
    for title, values in (("labels", rule.labels), ("annotations", rule.annotations)):
        lines += [f"        {title}:"] if values else []
        lines += [f"          {key}: {quoted(value)}" for key, value in values.items()]
    return lines


def literal(text: str) -> str:
    """Return a text as the templates of an alerting rule's labels and annotations give it back unchanged."""
    return text.replace("{{", '{{ "{{" }}')
