"""The policies of `tail_sampling`, as the Collector v0.160 defines them: frozen values, one class a type.

A value says what is wanted and nothing else. `pipeline/policies/` evaluates them; `config/tail_sampling.py` reads them from
YAML and checks each against its position in the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from otel_fe.model.randomness import DEFAULT_SALT

if TYPE_CHECKING:
    from otel_fe.config.ottl import Condition


@dataclass(frozen=True, slots=True)
class AlwaysSample:
    """Votes to sample every trace."""

    type: ClassVar[str] = "always_sample"
    name: str
    """As in the file; unique among its siblings."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Votes to sample a trace by its duration: earliest start to latest end, in whole milliseconds, rounded down."""

    type: ClassVar[str] = "latency"
    name: str
    threshold_ms: int
    """Exclusive: a trace of exactly this duration is not sampled."""
    upper_threshold_ms: int = 0
    """Inclusive; 0 for no upper bound."""


@dataclass(frozen=True, slots=True)
class LeastDuration:
    """Votes to sample a trace by its duration, to the nanosecond. Only in code: a file has `latency`."""

    type: ClassVar[str] = "least_duration"
    name: str
    threshold_ns: int
    """Inclusive: a trace of exactly this duration is sampled."""


@dataclass(frozen=True, slots=True)
class SloBreach:
    """Votes to sample a trace with an extraction that breaks an SLO by itself (`slo.breached`). Only in code."""

    type: ClassVar[str] = "slo_breach"
    name: str


@dataclass(frozen=True, slots=True)
class NumericAttribute:
    """Votes to sample a trace with an integer attribute, on a resource or a span, within bounds."""

    type: ClassVar[str] = "numeric_attribute"
    name: str
    key: str
    min_value: int | None
    """Inclusive; None for no bound. The Collector takes 0 for none, and so does the file."""
    max_value: int | None
    """Inclusive; None for no bound."""
    invert_match: bool = False
    """Sample unless some resource or span matches."""


@dataclass(frozen=True, slots=True)
class StringAttribute:
    """Votes to sample a trace with a string attribute, on a resource or a span, of certain values."""

    type: ClassVar[str] = "string_attribute"
    name: str
    key: str
    values: tuple[str, ...]
    """Exact values, or regular expressions that are searched for (RE2's syntax)."""
    enabled_regex_matching: bool = False
    cache_max_size: int = 128
    """The number of cached matching results; only with regular expressions."""
    invert_match: bool = False


@dataclass(frozen=True, slots=True)
class BooleanAttribute:
    """Votes to sample a trace with a boolean attribute, on a resource or a span, of a certain value."""

    type: ClassVar[str] = "boolean_attribute"
    name: str
    key: str
    value: bool
    invert_match: bool = False


@dataclass(frozen=True, slots=True)
class Probabilistic:
    """Votes to sample a share of all traces."""

    type: ClassVar[str] = "probabilistic"
    name: str
    sampling_ratio: float
    """0..1; the file has a percentage."""
    hash_salt: str = DEFAULT_SALT


@dataclass(frozen=True, slots=True)
class ConsistentShare:
    """Votes to sample a share of all traces by their own randomness, as head samplers do. Only in code.

    `Probabilistic` hashes the ids of traces that were not sampled before, as the Collector does; this never does, so that every
    process of a trace chooses the same ones.
    """

    type: ClassVar[str] = "consistent_share"
    name: str
    sampling_ratio: float
    """0..1."""


@dataclass(frozen=True, slots=True)
class StatusCode:
    """Votes to sample a trace with a span of certain status."""

    type: ClassVar[str] = "status_code"
    name: str
    status_codes: frozenset[int]
    """OTLP's numbers: 0 UNSET, 1 OK, 2 ERROR."""


@dataclass(frozen=True, slots=True)
class TraceState:
    """Votes to sample a trace with a span whose `tracestate` has a certain entry."""

    type: ClassVar[str] = "trace_state"
    name: str
    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TraceFlags:
    """Votes to sample a trace with a span that has the sampled flag."""

    type: ClassVar[str] = "trace_flags"
    name: str


@dataclass(frozen=True, slots=True)
class SpanCount:
    """Votes to sample a trace by the number of its spans."""

    type: ClassVar[str] = "span_count"
    name: str
    min_spans: int
    """Inclusive."""
    max_spans: int = 0
    """Inclusive; 0 for no bound."""


@dataclass(frozen=True, slots=True)
class RateLimiting:
    """Votes to sample traces as long as their spans fit a token bucket."""

    type: ClassVar[str] = "rate_limiting"
    name: str
    spans_per_second: int
    burst_capacity: int
    """Tokens the bucket holds, in spans; a trace with more never passes. The file's default is twice the rate."""


@dataclass(frozen=True, slots=True)
class BytesLimiting:
    """Votes to sample traces as long as their protobuf bytes fit a token bucket."""

    type: ClassVar[str] = "bytes_limiting"
    name: str
    bytes_per_second: int
    burst_capacity: int
    """Tokens the bucket holds, in bytes; a larger trace never passes. The file's default is twice the rate."""


@dataclass(frozen=True, slots=True)
class OttlCondition:
    """Votes to sample a trace with a span, or an event of one, for which a condition holds."""

    type: ClassVar[str] = "ottl_condition"
    name: str
    span: tuple[Condition, ...]
    """Of several conditions one is enough."""
    span_event: tuple[Condition, ...]
    """The file's `spanevent`."""
    error_mode: str = "silent"
    """`propagate`, `ignore` or `silent`: whether an error in evaluation is the vote, or counts as false."""


@dataclass(frozen=True, slots=True)
class Not:
    """Votes the opposite of another policy: sample for not sample, and the reverse; any other vote stays what it is."""

    type: ClassVar[str] = "not"
    name: str
    policy: Policy


@dataclass(frozen=True, slots=True)
class And:
    """Votes to sample a trace that every one of its policies would sample."""

    type: ClassVar[str] = "and"
    name: str
    policies: tuple[Policy, ...]


@dataclass(frozen=True, slots=True)
class Drop:
    """Votes to drop a trace that every one of its policies would sample; beats every other vote."""

    type: ClassVar[str] = "drop"
    name: str
    policies: tuple[Policy, ...]


@dataclass(frozen=True, slots=True)
class Allocation:
    """A sub-policy of a composite, and what it may sample a second."""

    policy: Policy
    spans_per_second: int
    """`percent` of the composite's total, else an equal share, rounded down."""


@dataclass(frozen=True, slots=True)
class Composite:
    """Samples a trace that one of its policies would sample, within that policy's share of spans a second.

    The first sub-policy that matches decides: over its share, the trace does not fall through to the next.
    """

    type: ClassVar[str] = "composite"
    name: str
    max_total_spans_per_second: int
    allocations: tuple[Allocation, ...]
    """In the order of the sub-policies in the file, as the Collector evaluates them (`policy_order` it only checks)."""


Policy = (
    AlwaysSample
    | Latency
    | LeastDuration
    | SloBreach
    | ConsistentShare
    | NumericAttribute
    | StringAttribute
    | BooleanAttribute
    | Probabilistic
    | StatusCode
    | TraceState
    | TraceFlags
    | SpanCount
    | RateLimiting
    | BytesLimiting
    | OttlCondition
    | Not
    | And
    | Drop
    | Composite
)
"""Every kind of policy."""


@dataclass(frozen=True, slots=True)
class TailSampling:
    """Settings of a `tail_sampling` processor."""

    policies: tuple[Policy, ...]
    """In the order of the file; those of type `drop` are evaluated first."""
    decision_wait_ns: int = 30_000_000_000
    """From the first span of a trace to its decision, at the latest."""
    decision_wait_after_root_received_ns: int = 0
    """From a trace's root to its decision, at the latest; 0 for no such bound."""
    num_traces: int = 50_000
    """Undecided traces; beyond it, the oldest is decided with the spans it has."""
    expected_new_traces_per_sec: int = 0
    """A hint for allocation, which needs none here."""
    sampled_cache_size: int = 0
    """Ids of sampled traces remembered for late spans; 0 for our default, which is to remember."""
    non_sampled_cache_size: int = 0
    sample_on_first_match: bool = False
    """Evaluate no further policy once one has voted to sample."""
    maximum_trace_size_bytes: int = 0
    """A larger trace is not sampled; 0 for no bound."""
    drop_pending_traces_on_shutdown: bool = False
    """Drop the traces that are pending at shutdown, rather than decide them with the spans they have."""
    block_on_overflow: bool = False
    """Past `num_traces`, refuse new traces rather than decide the oldest."""
