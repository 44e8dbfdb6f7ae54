"""The policies of `tail_sampling`, as the Collector v0.160 defines them: frozen values, one class a type.

Values only, without behaviour. `pipeline/policies/` evaluates them; `config/tail_sampling.py` reads them from
YAML and checks each against its position in the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from otel_fe.config.process_policies import (
    ConsistentShare as ConsistentShare,  # noqa: PLC0414 with the others for those who read files
)
from otel_fe.config.process_policies import LeastDuration as LeastDuration  # noqa: PLC0414
from otel_fe.config.process_policies import SloBreach as SloBreach  # noqa: PLC0414
from otel_fe.config.process_policies import StatusCode as StatusCode  # noqa: PLC0414
from otel_fe.config.process_policies import TailSampling as TailSampling  # noqa: PLC0414
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
    """Conditions, of which one is enough."""
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
