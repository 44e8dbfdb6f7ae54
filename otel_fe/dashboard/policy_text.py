"""The policies section of a collector's YAML, shown and edited without endpoints, headers or tokens."""

from __future__ import annotations

import textwrap
from typing import Final

import yaml

from otel_fe.config.yaml_text import YamlSyntaxError, compose

EXAMPLE: Final = """\
tail_sampling:
  decision_wait: 10s
  policies:
    - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
    - {name: slow, type: latency, latency: {threshold_ms: 100}}
    - {name: baseline, type: probabilistic, probabilistic: {sampling_percentage: 5}}
"""
_KIND: Final = "tail_sampling"
_FRAME: Final = """
receivers: {{otlp: {{protocols: {{grpc: {{}}}}}}}}
exporters: {{debug: {{}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: ["{name}"], exporters: [debug]}}
"""


def policies_in(text: str) -> str:
    """Return the first `tail_sampling` section of a configuration, as it is written, comments included; empty without one."""
    node = _mapping(text)
    processors = next((value for key, value in node if key.value == "processors"), None)
    if not isinstance(processors, yaml.MappingNode):
        return ""
    for key, value in processors.value:
        if str(key.value).split("/", 1)[0] == _KIND:
            first, *rest = text[key.start_mark.index : value.end_mark.index].rstrip().splitlines() or [""]
            indent = key.start_mark.column
            return "\n".join([first, *(line[min(indent, len(line) - len(line.lstrip())) :] for line in rest)]) + "\n"
    return ""


def as_configuration(section: str) -> str:
    """Return a section as a whole configuration, with nothing in it that could reach anything."""
    node = _mapping(section)
    name = next((str(key.value) for key, _ in node), _KIND)
    return f"processors:\n{textwrap.indent(section, '  ')}" + _FRAME.format(name=name.replace('"', ""))


def _mapping(text: str) -> list[tuple[yaml.Node, yaml.Node]]:
    try:
        node = next(iter(compose(text)), None)
    except YamlSyntaxError:
        return []
    return node.value if isinstance(node, yaml.MappingNode) else []
