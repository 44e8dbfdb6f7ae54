"""Every name that otel_fe emits, once, with its unit and its meaning.

Where OpenTelemetry has a name (`error.type`, `db.*`, `code.*`, `service.*`) that one is used; no convention
exists for feature extraction or for look-ups in a cache, so those names are ours, under `feature_extraction.`.
The README's tables are written from this file by `make docs`; a test holds them equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

NAMESPACE: Final = "feature_extraction"
SPAN_NAME: Final = "feature_extraction"
"""Name of an extraction's span; followed by a blank and the feature set where it has one."""

SCOPE_NAME: Final = "otel_fe"
"""Instrumentation scope of the spans and the metrics."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute on an extraction's span."""

    name: str
    type: str
    """`string`, `bool`, `int`, `double`, or one of them with `[]`."""
    unit: str
    """UCUM, empty where there is none."""
    meaning: str


@dataclass(frozen=True, slots=True)
class DerivedMetric:
    """A metric derived from every extraction, before any trace is dropped."""

    name: str
    instrument: str
    """`histogram`, `counter` or `gauge`."""
    unit: str
    meaning: str
    dimensions: tuple[str, ...]


ATTRIBUTES: Final[list[Attribute]] = []
METRICS: Final[list[DerivedMetric]] = []


def attribute(
    name: str, kind: str, unit: str, meaning: str, *, namespace: str = NAMESPACE, among: list[Attribute] = ATTRIBUTES
) -> str:
    """Enter an attribute in its table, and return its full name; events that have files of their own enter theirs in their own."""
    full = f"{namespace}.{name}"
    among.append(Attribute(full, kind, unit, meaning))
    return full


def _metric(name: str, instrument: str, unit: str, meaning: str, *dimensions: str) -> str:
    METRICS.append(DerivedMetric(name, instrument, unit, meaning, dimensions))
    return name


# --- causes of a slow extraction, as they are named in attributes -------------------------------------------------

CAUSE_CACHE_MISS: Final = "cache_miss"
CAUSE_POOL_WAIT: Final = "pool_wait"
CAUSE_CPU: Final = "cpu"
CAUSE_GPU: Final = "gpu"
CAUSE_DOWNSTREAM: Final = "downstream"
CAUSE_GC: Final = "gc"
CAUSE_GIL: Final = "gil"
CAUSE_CPU_THROTTLED: Final = "cpu_throttled"
CAUSE_CPU_WAIT: Final = "cpu_wait"
CAUSE_PAGE_FAULTS: Final = "page_faults"
CAUSE_DISK: Final = "disk"
CAUSE_LOCK: Final = "lock"
CAUSE_SLEEP: Final = "sleep"
CAUSE_IMPORT: Final = "import"
CAUSE_SUBPROCESS: Final = "subprocess"
CAUSE_NATIVE_THREADS: Final = "native_threads"
CAUSE_EVENT_LOOP: Final = "event_loop"
CAUSE_UNEXPLAINED: Final = "unexplained"

# --- attributes on the span of an extraction ---------------------------------------------------------------

FEATURE_SET: Final = attribute("feature_set", "string", "", "Which features: the name given to the target.")
LIBRARY: Final = attribute("library", "string", "", "The library that computes them, where it is known.")
BATCH_SIZE: Final = attribute("batch.size", "int", "{item}", "Entities extracted in this call, where given.")
FEATURES: Final = attribute("features", "int", "{feature}", "Features per entity, where given.")

CACHE_HIT: Final = attribute("cache.hit", "bool", "", "Every look-up hit; absent without a look-up.")
CACHE_LOOKUPS: Final = attribute("cache.lookups", "int", "{lookup}", "Keys or fields looked up.")
CACHE_HITS: Final = attribute("cache.hits", "int", "{lookup}", "Of those, found.")
CACHE_TIME: Final = attribute("cache.time", "double", "s", "Time in look-ups, without waiting for a pool.")

POOL_WAIT_TIME: Final = attribute(
    "pool.wait_time", "double", "s", "Time to obtain connections, over all pools; to open them included, but for Redis."
)
POOL_NAME: Final = attribute("pool.name", "string", "", "The pool waited for longest.")
POOL_IN_USE: Final = attribute("pool.in_use", "int", "{connection}", "Its connections in use afterwards.")
POOL_SIZE: Final = attribute("pool.size", "int", "{connection}", "The most it can open, where bounded.")

CPU_TIME: Final = attribute("cpu.time", "double", "s", "CPU time of its thread, and of what it handed to others.")
CPU_UTILIZATION: Final = attribute("cpu.utilization", "double", "1", "CPU time over duration; 1 is one busy core.")
CANCELLED: Final = attribute("cancelled", "bool", "", "Its caller ended it early: no error. Absent otherwise.")
MEMORY_USAGE: Final = attribute("memory.usage", "int", "By", "Resident memory of the process at the end.")
MEMORY_GROWTH: Final = attribute("memory.growth", "int", "By", "Resident memory at the end less that at the start.")
MEMORY_PEAK: Final = attribute("memory.peak", "int", "By", "On slow extractions: the most that a look has seen.")
GPU_UTILIZATION: Final = attribute(
    "gpu.utilization", "double", "1", "Busiest GPU over the last sampling period; absent without a GPU."
)
GPU_MEMORY_USAGE: Final = attribute(
    "gpu.memory.usage", "int", "By", "Memory this process holds on GPUs; absent without a GPU."
)
GPU_MEMORY_PEAK: Final = attribute(
    "gpu.memory.peak",
    "int",
    "By",
    "Most memory that PyTorch held on one GPU in this process so far, where this extraction raised it; its statistics are "
    "never reset.",
)

SLO_BREACHED: Final = attribute(
    "slo.breached", "string[]", "", "SLOs for which this extraction is a bad event by itself."
)
BOTTLENECK: Final = attribute(
    "bottleneck",
    "string",
    "",
    "On slow extractions, where most time went: one of the causes below `feature_extraction.time.`.",
)
BOTTLENECK_TIME: Final = attribute("bottleneck.time", "double", "s", "How much of the duration that was.")
HOTSPOT: Final = attribute(
    "hotspot",
    "string",
    "",
    "On slow extractions that were sampled: `file:line function` where most of the bottleneck's time went, in the application's "
    "own code. Of `gil` and `event_loop`, the line that held the interpreter or the loop.",
)
HOTSPOT_TIME: Final = attribute("hotspot.time", "double", "s", "How much of the bottleneck's time went there.")
TIME: Final = {
    cause: attribute(f"time.{cause}", "double", "s", f"On slow extractions: {meaning}; absent where none.")
    for cause, meaning in (
        (CAUSE_CACHE_MISS, "time in look-ups that missed"),
        (CAUSE_POOL_WAIT, "time waiting for connections"),
        (CAUSE_CPU, "CPU time outside of waits and calls"),
        (CAUSE_GPU, "time in calls of a GPU"),
        (
            CAUSE_DOWNSTREAM,
            "time in calls of other services, overlapping ones once; seen in the stack where not instrumented",
        ),
        (CAUSE_GC, "time in which the garbage collector ran, on this thread or with this thread waiting for it"),
        (CAUSE_GIL, "time in which it could have run, but another thread held the interpreter"),
        (
            CAUSE_CPU_THROTTLED,
            "time in which the quota of the control group stopped it (of the group, as far as it waited then)",
        ),
        (CAUSE_CPU_WAIT, "time in which it was ready to run and no core was free"),
        (CAUSE_PAGE_FAULTS, "time waiting for pages of memory that had to be read from disk"),
        (CAUSE_DISK, "time waiting in calls for files"),
        (CAUSE_LOCK, "time waiting for locks, queues, conditions and other threads"),
        (CAUSE_SLEEP, "time asleep by its own will"),
        (CAUSE_IMPORT, "time in imports"),
        (CAUSE_SUBPROCESS, "time waiting for other processes"),
        (CAUSE_NATIVE_THREADS, "time waiting for threads of native libraries that used CPU meanwhile"),
        (CAUSE_EVENT_LOOP, "time in which another task or callback held the event loop"),
        (CAUSE_UNEXPLAINED, "what is left of the duration"),
    )
}
"""The time of a slow extraction by cause. The parts add up to the duration, to the nanosecond."""

SAMPLING_POLICY: Final = attribute(
    "sampling.policy",
    "string",
    "",
    "What kept the trace in this process: `error`, `slow`, `slo`, `baseline`, or the name of a policy. Also on the first span of "
    "the process; absent where the process does not sample.",
)
STACKS_EVENT: Final = "feature_extraction.stacks"
"""Name of the event on the span of a slow extraction that was sampled; its time is that of the first sample."""
STACKS_ATTRIBUTES: Final[list[Attribute]] = []
_stacks_attribute = partial(attribute, namespace=STACKS_EVENT, among=STACKS_ATTRIBUTES)
STACKS_FOLDED: Final = _stacks_attribute(
    "folded",
    "string[]",
    "us",
    "Collapsed stacks, as flame graph tools read them: `cause;file:line function;… microseconds`, the outermost frame first, the "
    "largest stack first. They add up to the sampled part of the duration.",
)
STACKS_TOP: Final = _stacks_attribute(
    "top", "string[]", "us", "The own lines that took most: `cause file:line function microseconds`."
)
STACKS_BETWEEN_CALLS: Final = _stacks_attribute(
    "between_calls",
    "string[]",
    "us",
    "What took most in the longest gaps between calls and look-ups: `offset length cause microseconds file:line function`; offset "
    "and length are those of the gap, from the extraction's start.",
)
STACKS_SAMPLES: Final = _stacks_attribute("samples", "int", "{sample}", "How often the stack was looked at.")

_ray_attribute = partial(attribute, namespace="ray.serve")
RAY_APPLICATION: Final = _ray_attribute(
    "application", "string", "", "In a Ray Serve replica, and in Ray tasks that work for its request: the application."
)
RAY_DEPLOYMENT: Final = _ray_attribute("deployment", "string", "", "Likewise, the deployment.")
RAY_REPLICA: Final = _ray_attribute("replica", "string", "", "Likewise, the replica.")
RAY_REQUEST_ID: Final = _ray_attribute("request_id", "string", "", "Likewise, the request's id in Serve.")
RAY_QUEUE_TIME: Final = _ray_attribute(
    "queue_time",
    "double",
    "s",
    "How long that request had waited, from the proxy or handle to its turn in the replica.",
)

ERROR_TYPE: Final = "error.type"
CODE_FUNCTION_NAME: Final = "code.function.name"
SERVICE_NAME: Final = "service.name"
"""Of the resource."""
HOST_NAME: Final = "host.name"

# --- dimensions of the derived metrics that are no span attributes ---------------------------------------------

SLO: Final = "slo"
GOOD: Final = "good"
RESULT: Final = "result"
REASON: Final = "reason"
CAUSE: Final = "cause"
HOOK: Final = "hook"
WINDOW: Final = "window"
OVERFLOW: Final = "otel.metric.overflow"
"""OpenTelemetry's own mark of the series that the rest is folded into."""

_EXTRACTION = (FEATURE_SET, CACHE_HIT, ERROR_TYPE, LIBRARY)

# --- metrics ---------------------------------------------------------------------------------------------------

DURATION: Final = _metric("feature_extraction.duration", "histogram", "s", "Duration of extractions.", *_EXTRACTION)
SLO_EVENTS: Final = _metric(
    "feature_extraction.slo.events",
    "counter",
    "{extraction}",
    "Extractions that count for an SLO, good and bad: exact, from every extraction.",
    SLO,
    GOOD,
    FEATURE_SET,
)
BURN_RATE: Final = _metric(
    "feature_extraction.slo.burn_rate",
    "gauge",
    "1",
    "How many times faster than allowed an SLO's error budget is spent, over the last `window`.",
    SLO,
    WINDOW,
    FEATURE_SET,
)
BUDGET_REMAINING: Final = _metric(
    "feature_extraction.slo.error_budget.remaining",
    "gauge",
    "1",
    "What is left of an SLO's error budget over its whole window: 1 is all of it, below 0 is overspent.",
    SLO,
    FEATURE_SET,
)
CANCELLED_METRIC: Final = _metric(
    "feature_extraction.cancelled", "counter", "{extraction}", "Extractions that their caller ended early.", FEATURE_SET
)
CACHE_LOOKUPS_METRIC: Final = _metric(
    "feature_extraction.cache.lookups", "counter", "{lookup}", "Look-ups in caches.", RESULT, FEATURE_SET
)
MEMORY_GROWTH_METRIC: Final = _metric(
    "feature_extraction.memory.growth", "histogram", "By", "Growth of resident memory.", *_EXTRACTION
)
CPU_TIME_METRIC: Final = _metric(
    "feature_extraction.cpu.time", "histogram", "s", "CPU time of extractions.", *_EXTRACTION
)
POOL_WAIT_METRIC: Final = _metric(
    "feature_extraction.pool.wait_time",
    "histogram",
    "s",
    "Time that extractions took to obtain connections; only those that asked a pool.",
    *_EXTRACTION,
)
CAUSE_TIME: Final = _metric(
    "feature_extraction.time",
    "counter",
    "s",
    "Time of slow extractions, by cause: exact, from every slow extraction. The causes add up to the extractions' duration.",
    CAUSE,
    FEATURE_SET,
)
SPANS_RECEIVED: Final = _metric(
    "otel_fe.pipeline.spans.received", "counter", "{span}", "Ended spans handed to the pipeline."
)
SPANS_SAMPLED: Final = _metric(
    "otel_fe.pipeline.spans.sampled", "counter", "{span}", "Spans sent, by the policy that keeps their trace.", REASON
)
SPANS_NOT_SAMPLED: Final = _metric(
    "otel_fe.pipeline.spans.not_sampled", "counter", "{span}", "Spans of traces that no policy keeps."
)
SPANS_DROPPED: Final = _metric(
    "otel_fe.pipeline.spans.dropped",
    "counter",
    "{span}",
    "Spans of kept traces that were lost: `queue_full`, `export_failed`.",
    REASON,
)
SPANS_LATE: Final = _metric(
    "otel_fe.pipeline.spans.late",
    "counter",
    "{span}",
    "Spans later than the decision on their trace; each is counted elsewhere too.",
)
SPANS_LATE_ERRORS: Final = _metric(
    "otel_fe.pipeline.spans.late_errors", "counter", "{span}", "Late ERROR spans of traces that were not kept."
)
SPANS_PENDING: Final = _metric(
    "otel_fe.pipeline.spans.pending", "gauge", "{span}", "Ended spans of traces not yet decided."
)
SPANS_QUEUED: Final = _metric(
    "otel_fe.pipeline.spans.queued", "gauge", "{span}", "Spans of kept traces that are on their way to a backend."
)
TRACES: Final = _metric(
    "otel_fe.pipeline.traces", "counter", "{trace}", "Decided traces, by the winning policy or `none`.", REASON
)
TRACES_OPEN: Final = _metric("otel_fe.pipeline.traces.open", "gauge", "{trace}", "Traces not yet decided.")
TRACES_EVICTED: Final = _metric(
    "otel_fe.pipeline.traces.evicted",
    "counter",
    "{trace}",
    "Traces decided before their time: `open_traces`, `span_limit`, `byte_limit`, `decision_wait`, `shutdown`, `num_traces`.",
    REASON,
)
FAULTS: Final = _metric(
    "otel_fe.faults", "counter", "{fault}", "Faults inside otel_fe that the application did not see.", HOOK
)

# --- OpenTelemetry's own metrics of connection pools (https://opentelemetry.io/docs/specs/semconv/db/database-metrics) ----

POOL: Final = "db.client.connection.pool.name"
STATE: Final = "db.client.connection.state"
IDLE: Final = "idle"
USED: Final = "used"

CONNECTION_COUNT: Final = _metric(
    "db.client.connection.count",
    "updowncounter",
    "{connection}",
    "Connections by state, `idle` or `used`.",
    POOL,
    STATE,
)
CONNECTION_IDLE_MAX: Final = _metric(
    "db.client.connection.idle.max", "updowncounter", "{connection}", "The most that stay open unused.", POOL
)
CONNECTION_IDLE_MIN: Final = _metric(
    "db.client.connection.idle.min", "updowncounter", "{connection}", "The fewest that are kept open unused.", POOL
)
CONNECTION_MAX: Final = _metric(
    "db.client.connection.max", "updowncounter", "{connection}", "The most that the pool can open, where bounded.", POOL
)
CONNECTION_PENDING: Final = _metric(
    "db.client.connection.pending_requests",
    "updowncounter",
    "{request}",
    "Callers that wait for a connection, where the pool lets them wait.",
    POOL,
)
CONNECTION_TIMEOUTS: Final = _metric(
    "db.client.connection.timeouts", "counter", "{timeout}", "Callers that waited until their time was up.", POOL
)
CONNECTION_CREATE_TIME: Final = _metric(
    "db.client.connection.create_time", "histogram", "s", "Time to open a connection.", POOL
)
CONNECTION_WAIT_TIME: Final = _metric(
    "db.client.connection.wait_time", "histogram", "s", "Time to obtain an open connection, opening it included.", POOL
)
CONNECTION_USE_TIME: Final = _metric(
    "db.client.connection.use_time", "histogram", "s", "Time from borrowing a connection to returning it.", POOL
)


# --- alerts; the log event of one is made in alert_event.py -------------------------------------------------------

ALERT: Final = "alert"
SEVERITY: Final = "severity"
ALERT_ACTIVE: Final = _metric(
    "feature_extraction.alert.active",
    "gauge",
    "{alert}",
    "Alerts that fire, by type; 0 once the last has been resolved.",
    ALERT,
    SEVERITY,
    FEATURE_SET,
)

METRIC_BY_NAME: Final = {metric.name: metric for metric in METRICS}
