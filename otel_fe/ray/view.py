"""Computes one view from the cluster's counters."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from otel_fe.model.quantile import quantile
from otel_fe.monitoring import RequirementStatus
from otel_fe.pipeline.requirement_slos import REQUIREMENTS
from otel_fe.ray import published
from otel_fe.ray.requests_seen import EDGES
from otel_fe.ray.results import DeploymentStats, ExtractionStats, LatencySplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.ray.scrape import Scraped
    from otel_fe.ray.totals import Series

_OURS: Final = published.PREFIX
_PROCESSING: Final = "ray_serve_deployment_processing_latency_ms_bucket"
_REQUESTS: Final = "ray_serve_deployment_request_counter_total"
_QUEUED: Final = "ray_serve_deployment_queued_queries"
_ONGOING: Final = "ray_serve_num_ongoing_requests_at_replicas"


class View:
    """Reads figures out of what counters have grown by.

    Args:
        grown: By series, within the window.
        scraped: The last reading, for gauges.
    """

    def __init__(self, grown: Mapping[Series, float], scraped: Scraped) -> None:
        self._grown: dict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
        for (name, labels), value in grown.items():
            self._grown[name].append((dict(labels), value))
        self._scraped = scraped

    def total(self, name: str, **labels: str) -> float:
        """Return what the series of a name with these labels grew by, together."""
        wanted = labels.items()
        return sum(value for found, value in self._grown.get(name, ()) if wanted <= found.items())

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """Return the same for each value of a label."""
        sums: dict[str, float] = defaultdict(float)
        wanted = labels.items()
        for found, value in self._grown.get(name, ()):
            if wanted <= found.items():
                sums[found.get(label, "")] += value
        return dict(sums)

    def extractions(self) -> ExtractionStats:
        """Return what is known of all extractions."""
        buckets = _apart(self.by(f"{_OURS}{published.DURATION}_bucket", "le"))
        failed, counted = (round(n) for n in (self._slo("error_rate", "false"), sum(n for _, n in buckets)))
        hit = self._slo("cache_hit_rate", "true")
        looked_up = hit + self._slo("cache_hit_rate", "false")
        p50, p95, p99 = (_percentile(buckets, share)[0] * 1000 for share in (0.5, 0.95, 0.99))
        return ExtractionStats(
            counted, failed / counted if counted else 0.0, hit / looked_up if looked_up else 0.0, p50, p95, p99
        )

    def requirements(self) -> dict[str, RequirementStatus]:
        """Return the four requirements."""
        found: dict[str, RequirementStatus] = {}
        for slo in REQUIREMENTS:
            good = round(self._slo(slo.name, "true"))
            total = good + round(self._slo(slo.name, "false"))
            met = slo.met(good, total)
            status = "no data" if met is None else "met" if met else "broken"
            found[slo.name] = RequirementStatus(slo.meaning, good, total, bool(met), status)
        return found

    def _slo(self, name: str, good: str) -> float:
        return self.total(f"{_OURS}{published.SLO_EVENTS}_total", slo=name, good=good)

    def deployments(self, applications: Mapping[str, Any]) -> dict[str, DeploymentStats]:
        """Return each deployment: those that Serve has, and those that only figures are left of.

        Args:
            applications: Of `serve.status()`.
        """
        states = {
            (app, name): state for app, known in applications.items() for name, state in known.deployments.items()
        }
        counted = {(found["application"], found["deployment"]) for found, value in self._grown[_REQUESTS] if value}
        return {
            f"{app}#{name}": self._deployment(app, name, states.get((app, name)))
            for app, name in sorted({*states, *counted})
        }

    def _deployment(self, application: str, deployment: str, state: Any) -> DeploymentStats:
        mine = {"application": application, "deployment": deployment}
        replicas = {} if state is None else {str(getattr(k, "value", k)): n for k, n in state.replica_states.items()}
        return DeploymentStats(
            application=application,
            deployment=deployment,
            status="GONE" if state is None else str(getattr(state.status, "value", state.status)),
            running_replicas=replicas.get("RUNNING", 0),
            replica_states=replicas,
            queue_length=round(self._scraped.total(_QUEUED, **mine)),
            ongoing_requests=round(self._scraped.total(_ONGOING, **mine)),
            requests=round(self.total(_REQUESTS, **mine)),
            p95_processing_ms=_percentile(_apart(self.by(_PROCESSING, "le", **mine)), 0.95)[0],
            latency=self._split(mine),
        )

    def _split(self, mine: Mapping[str, str]) -> LatencySplit | None:
        names = (published.REQUESTS, published.QUEUE, published.EXTRACTION, published.LATENCY)
        requests, queue, extraction, latency = (self.by(f"{_OURS}{name}_total", published.LE, **mine) for name in names)
        if not any(requests.values()):
            return None
        p95, index = _percentile([(float(edge), requests.get(edge, 0.0)) for edge in EDGES], 0.95)
        edge = EDGES[index]
        count = requests[edge]
        mean, waited, extracted = (part.get(edge, 0.0) * 1000 / count for part in (latency, queue, extraction))
        return LatencySplit(
            p95_ms=p95,
            requests=round(sum(requests.values())),
            requests_in_bucket=round(count),
            mean_ms=mean,
            queue_ms=waited,
            extraction_ms=extracted,
            other_ms=mean - waited - extracted,
            queue_ratio=waited / mean if mean else 0.0,
            extraction_ratio=extracted / mean if mean else 0.0,
        )


def _apart(cumulative: Mapping[str, float]) -> list[tuple[float, float]]:
    """Return the separate (not cumulative) counts of a Prometheus histogram's buckets, by upper edge."""
    edges = sorted((float(edge), count) for edge, count in cumulative.items())
    before = [0.0, *(count for _, count in edges)]
    return [(edge, count - less) for (edge, count), less in zip(edges, before, strict=False)]


def _percentile(buckets: list[tuple[float, float]], share: float) -> tuple[float, int]:
    """Return a percentile as `model.quantile` has it, and the index of its bucket; 0 without data.

    Prometheus' histograms have no largest value: in the bucket without an upper edge, the percentile is the lower one.
    """
    edges = [edge for edge, _ in buckets if not math.isinf(edge)]
    counts = [count for _, count in buckets] + [0.0] * (len(edges) + 1 - len(buckets))
    found = quantile(share, edges, counts)
    if found is None:
        return 0.0, 0
    return found.value, bisect_left(edges, found.high) + (found.low == found.high)
