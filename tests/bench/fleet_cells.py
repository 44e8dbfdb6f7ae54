"""The cells of the benchmark `fleet`: what is sent, what decides, and how a collector is run."""

from __future__ import annotations

import fnmatch
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SHAPES = {"whole": 0.0, "split-0.5": 0.5, "split-3": 3.0, "split-10": 10.0}
"""By name the skew, in s: how far apart the three services send their spans of a trace, at most."""
STORES = ("plain", "store")
WORKERS = ("1w", "2w")
REQUESTS = ("1", "50", "512", "8192")
"""Spans of a request."""
LOADS = ("paced", "full")
"""20 000 spans a second, or as fast as the collector takes them."""
DEFAULT_CELLS = "whole/rules/plain/1w/512/paced,split-3/rules/plain/1w/512/paced,split-3/attributes/store/1w/512/paced,split-3/limits/store/1w/512/paced"
SMOKE_CELLS = "whole/rules/plain/1w/512/paced,split-0.5/attributes/store/1w/50/paced,split-0.5/limits/plain/2w/512/full"
_RULES = """
      - {name: failed, type: status_code, status_code: {status_codes: [ERROR]}}
      - {name: slow, type: latency, latency: {threshold_ms: 99}}
      - {name: share, type: probabilistic, probabilistic: {sampling_percentage: 5}}"""
_ATTRIBUTES = """
      - {name: refused, type: numeric_attribute, numeric_attribute: {key: http.response.status_code, min_value: 500, max_value: 599}}
      - {name: forced, type: boolean_attribute, boolean_attribute: {key: debug, value: true}}
      - name: gold
        type: and
        and:
          and_sub_policy:
            - {name: tier, type: string_attribute, string_attribute: {key: user.tier, values: [gold]}}
            - {name: half, type: probabilistic, probabilistic: {sampling_percentage: 10}}"""
_OTTL = """
      - name: statement
        type: ottl_condition
        ottl_condition:
          error_mode: ignore
          span:
            - 'attributes["http.response.status_code"] >= 500'
            - 'attributes["db.system"] == "mysql" and name == "SELECT"'"""
_LIMITS = """
      - {name: limited, type: rate_limiting, rate_limiting: {spans_per_second: 500}}
      - name: shared
        type: composite
        composite:
          max_total_spans_per_second: 2000
          policy_order: [failed, rest]
          composite_sub_policy:
            - {name: failed, type: status_code, status_code: {status_codes: [ERROR]}}
            - {name: rest, type: always_sample}
          rate_allocation:
            - {policy: failed, percent: 75}
            - {policy: rest, percent: 25}"""
POLICIES = {"rules": _RULES, "attributes": _RULES + _ATTRIBUTES, "ottl": _RULES + _OTTL, "limits": _LIMITS}
_METRICS = """
  span_metrics:
    metrics_flush_interval: 5s
    exemplars: {enabled: true}
    dimensions:
      - name: feature_extraction.feature_set
      - name: feature_extraction.cache.hit
      - name: db.system
      - name: error.type
"""
_TRACES = 1_000_000


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination."""

    shape: str
    policies: str
    store: str
    workers: str
    request: str
    load: str

    def __str__(self) -> str:
        return f"{self.shape}/{self.policies}/{self.store}/{self.workers}/{self.request}/{self.load}"

    @property
    def skew_s(self) -> float:
        """How far apart the services send their spans of a trace, at most."""
        return SHAPES[self.shape]

    @property
    def cores(self) -> int:
        """How many workers there are, each with a core."""
        return int(self.workers[0])

    @property
    def keeps_all_remarkable(self) -> bool:
        """Return True if every error and every slow trace must arrive; with rate limits, some may not."""
        return self.policies != "limits"

    @property
    def reference(self) -> Cell:
        """The cell that the Collector is run for: it has no store."""
        return Cell(self.shape, self.policies, STORES[0], self.workers, self.request, self.load)

    def configuration(self, receiver: int, sink: int, decision_wait_s: float) -> str:
        """Return the file that both collectors are run with."""
        exporter = f"otlp_grpc: {{endpoint: '127.0.0.1:{sink}', tls: {{insecure: true}}}}"
        pipelines = (
            "traces: {receivers: [otlp], processors: [tail_sampling], exporters: [otlp_grpc]}, "
            "traces/derive: {receivers: [otlp], exporters: [span_metrics]}, "
            "metrics: {receivers: [span_metrics], exporters: [otlp_grpc]}"
        )
        return (
            f"receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{receiver}', max_recv_msg_size_mib: 64}}}}}}}}\n"
            f"exporters: {{{exporter}}}\n"
            "processors:\n  tail_sampling:\n"
            f"    decision_wait: {decision_wait_s:g}s\n    num_traces: {_TRACES}\n    policies:{POLICIES[self.policies]}\n"
            f"connectors:{_METRICS}"
            f"service: {{telemetry: {{metrics: {{level: none}}}}, pipelines: {{{pipelines}}}}}\n"
        )


ALL = [Cell(*names) for names in itertools.product(SHAPES, POLICIES, STORES, WORKERS, REQUESTS, LOADS)]


def chosen(patterns: str) -> list[Cell]:
    """Return the cells whose names match any of several patterns, by commas: `split-*/ottl/*/1w/512/paced`.

    Raises:
        ValueError: One matches none.
    """
    found: dict[Cell, None] = {}
    for pattern in patterns.split(","):
        matching = [cell for cell in ALL if fnmatch.fnmatchcase(str(cell), pattern.strip())]
        if not matching:
            raise ValueError(f"no cell is called {pattern}: use SHAPE/POLICIES/STORE/WORKERS/REQUEST/LOAD, {_axes()}")
        found |= dict.fromkeys(matching)
    return list(found)


def _axes() -> str:
    axes: list[Iterable[str]] = [SHAPES, POLICIES, STORES, WORKERS, REQUESTS, LOADS]
    return "; ".join(", ".join(axis) for axis in axes)
