"""The cells of the benchmark `fleet`: what is sent, what decides, and how a collector is run."""

from __future__ import annotations

import fnmatch
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.fleet_traffic import APART, BY_SERVICE, SPANS_PER_S, TOGETHER

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Shape:
    """What is sent, and in which requests."""

    skew_s: float = 3.0
    """How far apart the three services send their spans of a trace, at most."""
    content: str = "usual"
    joined: str = BY_SERVICE
    spans_per_s: int = SPANS_PER_S
    """The pace: what the sender can do."""
    connections: int = 1


SHAPES = {
    "whole": Shape(0.0, joined=TOGETHER),
    "split-0.5": Shape(0.5),
    "split-3": Shape(3.0),
    "split-10": Shape(10.0),
    "unique-3": Shape(content="unique"),
    "large-3": Shape(content="large", spans_per_s=3_000),
    "gateway-3": Shape(content="gateway", joined=TOGETHER),
    "pods-3": Shape(content="pods", joined=TOGETHER),
    "long-3": Shape(content="long"),
    "small-3": Shape(joined=APART, spans_per_s=4_000, connections=60),
    "odd-3": Shape(content="odd"),
}
STORES = ("plain", "store")
WORKERS = ("1w", "2w")
REQUESTS = ("1", "50", "512", "8192")
"""Spans of a request."""
LOADS = ("paced", "full")
"""At the cell's pace, or as fast as the collector takes them."""
_REQUESTS_PER_S = 2_000
"""The most that the sender can send."""
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
POLICIES = {
    "rules": _RULES,
    "attributes": _RULES + _ATTRIBUTES,
    "ottl": _RULES + _OTTL,
    "limits": _LIMITS,
    "dimensions": _RULES,
}
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
_MANY_DIMENSIONS = f"""{_METRICS}      - name: user.id
    aggregation_cardinality_limit: 2000
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
        return SHAPES[self.shape].skew_s

    @property
    def spans_per_s(self) -> int:
        """The pace; at full load, the least: traffic is made for it, so that spans of a trace never come further apart."""
        return min(SHAPES[self.shape].spans_per_s, _REQUESTS_PER_S * int(self.request))

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
            f"connectors:{_MANY_DIMENSIONS if self.policies == 'dimensions' else _METRICS}"
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
