"""The results of the integration: values that also read as dictionaries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from otel_fe.model.mapping_dataclass import MappingDataclass

if TYPE_CHECKING:
    from otel_fe.monitoring import RequirementStatus


@dataclass(frozen=True, eq=False)
class ExtractionStats(MappingDataclass):
    """Extractions of the whole cluster, within the window."""

    total_extractions: int
    error_rate: float
    """0..1."""
    cache_hit_rate: float
    """0..1, of the extractions that looked up; 0 without any."""
    p50_latency_ms: float
    """As the other percentiles, to the width of a bucket: 5 % near 100 ms."""
    p95_latency_ms: float
    p99_latency_ms: float


@dataclass(frozen=True, eq=False)
class LatencySplit(MappingDataclass):
    """The time of the requests at the p95 by part: means over the requests in the bucket that holds it.

    `queue_ms + extraction_ms + other_ms` is their mean latency, exactly.
    """

    p95_ms: float
    """From the acceptance by the proxy or a handle to the end in the replica; interpolated within the bucket."""
    requests: int
    """Requests in all buckets."""
    requests_in_bucket: int
    mean_ms: float
    queue_ms: float
    """Waiting in Serve."""
    extraction_ms: float
    """In extractions of the replica; those of tasks it waits for are other time here."""
    other_ms: float
    queue_ratio: float
    """0..1, of the mean, as the next."""
    extraction_ratio: float


@dataclass(frozen=True, eq=False)
class DeploymentStats(MappingDataclass):
    """One deployment of Serve."""

    application: str
    deployment: str
    status: str
    """As Serve has it; `GONE` where it only has figures left."""
    running_replicas: int
    replica_states: dict[str, int]
    queue_length: int
    """Requests that wait at proxies and handles, at the moment."""
    ongoing_requests: int
    """Requests that were sent to replicas and are not answered, at the moment."""
    requests: int
    """Ended, by Serve's account, within the window."""
    p95_processing_ms: float
    """In the replica, by Serve's own histogram, whose buckets are wide."""
    latency: LatencySplit | None
    """None until a request has ended in an instrumented replica."""


@dataclass(frozen=True, eq=False)
class UnifiedPerformanceStats(MappingDataclass):
    """Serve's figures and the extractions', side by side."""

    serve_running: bool
    extractions: ExtractionStats
    deployments: dict[str, DeploymentStats]
    """Keyed by `application#deployment`."""
    requirements: dict[str, RequirementStatus]
    """The four requirements by name, on exact counts of all extractions within the window."""
    synced: dict[str, float] = field(default_factory=dict)
    """The last figures handed to `sync_feature_extraction_metrics` that were sums over many extractions."""
    unreachable_nodes: tuple[str, ...] = ()
    """Nodes whose figures are missing here."""
