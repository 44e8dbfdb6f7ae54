"""The report of the demo, computed from the received telemetry alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from otel_fe import semconv
from otel_fe.demo.service import FEATURE_SETS
from otel_fe.demo.slow_feature_sets import SlowFeatureSet, recorded_split, slow_feature_sets
from otel_fe.model.measurements import CAUSE_CACHE_MISS, CAUSE_POOL
from otel_fe.model.quantile import quantile
from otel_fe.model.span import OUTGOING_KINDS
from otel_fe.pipeline import attribution
from otel_fe.pipeline.requirement_slos import REQUIREMENTS
from otel_fe.semconv import CAUSE_DOWNSTREAM

if TYPE_CHECKING:
    from otel_fe.demo.received import Dimensions, LastPoint, ReceivedSpan, ReceivedTelemetry

_QUANTILES: Final = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """Extractions of one feature set in one cache state."""

    feature_set: str
    cache: str
    """`hit`, `miss`, or `none` without a look-up; `all` for all together."""
    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class RequirementResult:
    """One of the four, and whether it was met."""

    name: str
    meaning: str
    good: int
    total: int
    met: bool | None
    """None without any extraction that counts."""

    @property
    def ratio(self) -> float:
        """Share of good ones, 0..1; 0 without any."""
        return self.good / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Slowest:
    """The slowest trace that was kept, and where its milliseconds went."""

    trace_id: str
    name: str
    duration_ms: float
    split_ms: dict[str, float]
    """Keyed by cause; adds up to the duration."""
    attributes: dict[str, Any]
    children: list[tuple[str, float, float]] = field(default_factory=list)
    """Name, start within the extraction and duration of each child span, in ms."""


@dataclass(frozen=True, slots=True)
class DemoReport:
    """All of it."""

    extractions: int
    targeted: int
    """Of those, the ones of the service's targets: one for each request. The others are of its start, when its models are fit."""
    latencies: list[LatencyRow]
    requirements: list[RequirementResult]
    cache_hits: int
    cache_lookups: int
    errors: int
    memory_mb: float
    """Resident memory of the service at the end of the last kept extraction."""
    spans: dict[str, int]
    """The pipeline's accounts: received, pending, queued, sampled, not_sampled, dropped, late."""
    traces: dict[str, int]
    """Decided traces by the policy that kept them, or `none`."""
    exemplars_resolved: tuple[int, int]
    """Exemplars that lead to a received trace, and all exemplars."""
    slowest: Slowest | None
    slow_feature_sets: list[SlowFeatureSet]
    """Why each is slow."""

    @property
    def kept(self) -> int:
        """Traces that were kept."""
        return sum(count for reason, count in self.traces.items() if reason != "none")

    @property
    def slowest_feature_set(self) -> str:
        """The one with the highest p95, over all of its cache states; empty without any."""
        whole: dict[str, LatencyRow] = {}
        for row in self.latencies:  # the row of all cache states of a feature set comes first, or is the only one
            if row.feature_set in FEATURE_SETS:
                whole.setdefault(row.feature_set, row)
        return max(whole, key=lambda name: whole[name].p95_ms, default="")

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values, for JSON."""
        plain = asdict(self)
        plain["traces_kept"] = self.kept
        plain["requirements"] = [{**asdict(r), "ratio": r.ratio} for r in self.requirements]
        return plain


def report_of(received: ReceivedTelemetry) -> DemoReport:
    """Return the report on what was received."""
    durations = received.points[semconv.DURATION]
    lookups = received.by(semconv.CACHE_LOOKUPS_METRIC, semconv.RESULT)
    extractions = received.extractions()
    known = {span.trace_id for span in received.spans}
    return DemoReport(
        extractions=int(sum(point.value for point in durations.values())),
        targeted=int(
            sum(p.value for labels, p in durations.items() if dict(labels).get(semconv.FEATURE_SET) in FEATURE_SETS)
        ),
        latencies=_latencies(durations),
        requirements=[_requirement(received, slo) for slo in REQUIREMENTS],
        cache_hits=int(lookups.get("hit", 0)),
        cache_lookups=int(sum(lookups.values())),
        errors=int(sum(p.value for labels, p in durations.items() if semconv.ERROR_TYPE in dict(labels))),
        memory_mb=(extractions[-1].attributes.get(semconv.MEMORY_USAGE, 0) if extractions else 0) / 1e6,
        spans={
            "received": int(received.total(semconv.SPANS_RECEIVED)),
            "pending": int(received.total(semconv.SPANS_PENDING)),
            "queued": int(received.total(semconv.SPANS_QUEUED)),
            "sampled": int(received.total(semconv.SPANS_SAMPLED)),
            "not_sampled": int(received.total(semconv.SPANS_NOT_SAMPLED)),
            "dropped": int(received.total(semconv.SPANS_DROPPED)),
            "late": int(received.total(semconv.SPANS_LATE)),
        },
        traces={reason: int(n) for reason, n in sorted(received.by(semconv.TRACES, semconv.REASON).items())},
        exemplars_resolved=(len(received.exemplars & known), len(received.exemplars)),
        slowest=_slowest(received, extractions),
        slow_feature_sets=slow_feature_sets(extractions),
    )


def _latencies(durations: dict[Dimensions, LastPoint]) -> list[LatencyRow]:
    groups: dict[tuple[str, str], list[LastPoint]] = {}
    for labels, point in durations.items():
        dimensions = dict(labels)
        feature_set = dimensions.get(semconv.FEATURE_SET, "")
        cache = {True: "hit", False: "miss"}.get(dimensions.get(semconv.CACHE_HIT, ""), "none")
        for key in ((feature_set, "all"), (feature_set, cache), ("all", "all")):
            groups.setdefault(key, []).append(point)
    rows = [_latency(*key, points) for key, points in groups.items()]
    order = {"all": 0, "hit": 1, "miss": 2, "none": 3}
    rows.sort(key=lambda row: (row.feature_set != "all", row.feature_set, order[row.cache]))
    # A single cache state has the same figures as all together.
    states = {row.feature_set: sum(other.feature_set == row.feature_set for other in rows) for row in rows}
    return [row for row in rows if not (row.cache == "all" and states[row.feature_set] == 2)]  # noqa: PLR2004


def _latency(feature_set: str, cache: str, points: list[LastPoint]) -> LatencyRow:
    bounds = points[0].bounds
    buckets = [sum(counts) for counts in zip(*(point.buckets for point in points), strict=True)]
    least = min(point.least or 0.0 for point in points)
    most = max(point.most or 0.0 for point in points)
    found = (quantile(q, bounds, buckets, least, most) for q in _QUANTILES)
    p50, p95, p99 = (1e3 * one.value if one else 0.0 for one in found)
    return LatencyRow(feature_set, cache, sum(buckets), p50, p95, p99, most * 1e3)


def _requirement(received: ReceivedTelemetry, slo: Any) -> RequirementResult:
    good = int(received.total(semconv.SLO_EVENTS, slo=slo.name, good=True))
    bad = int(received.total(semconv.SLO_EVENTS, slo=slo.name, good=False))
    return RequirementResult(slo.name, slo.meaning, good, good + bad, slo.met(good, good + bad))


def _slowest(received: ReceivedTelemetry, extractions: list[ReceivedSpan]) -> Slowest | None:
    if not extractions:
        return None
    span = max(extractions, key=lambda s: s.end_ns - s.start_ns)
    trace = [other for other in received.spans if other.trace_id == span.trace_id]
    children = sorted((c for c in trace if c.parent_id == span.span_id), key=lambda c: c.start_ns)
    return Slowest(
        span.trace_id,
        span.name,
        (span.end_ns - span.start_ns) / 1e6,
        {cause: ns / 1e6 for cause, ns in split_of(span, trace).items()},
        span.attributes,
        [(c.name, (c.start_ns - span.start_ns) / 1e6, (c.end_ns - c.start_ns) / 1e6) for c in children],
    )


def split_of(span: ReceivedSpan, trace: list[ReceivedSpan]) -> dict[str, int]:
    """Return where an extraction's ns went; adds up to its duration.

    A slow one's span has it. Spans of others have the durations of waits and look-ups, but not their times: those are
    laid over the start of the calls below it, where waits and look-ups come before the query.
    """
    attributes = span.attributes
    recorded = recorded_split(attributes)
    if recorded:
        return recorded
    below = {span.span_id}
    calls = []
    for other in sorted(trace, key=lambda s: s.start_ns):
        if other.parent_id in below:
            below.add(other.span_id)
            if other.kind in OUTGOING_KINDS:
                calls.append((CAUSE_DOWNSTREAM, other.start_ns, other.end_ns))
    missed = attributes.get(semconv.CACHE_HIT) is False
    looked = int(attributes.get(semconv.CACHE_TIME, 0) * 1e9) if missed else 0
    waited = int(attributes.get(semconv.POOL_WAIT_TIME, 0) * 1e9)
    start = span.start_ns
    intervals = [
        *calls,
        (CAUSE_CACHE_MISS, start, start + looked),
        (CAUSE_POOL, start + looked, start + looked + waited),
    ]
    return attribution.attribute(start, span.end_ns, intervals, int(attributes.get(semconv.CPU_TIME, 0) * 1e9))
