"""The default policies of a process without a configuration, and the settings that hold policies.

Separate from `policies.py`, which has all others: dataclasses take time to create, and such a process needs no others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol


class Policy(Protocol):
    """The interface of a policy: its values are read by what evaluates it."""

    type: ClassVar[str]
    """As in the file."""

    @property
    def name(self) -> str:
        """Return its name, unique among its siblings."""
        ...


@dataclass(frozen=True, slots=True)
class StatusCode:
    """Votes to sample a trace with a span of certain status."""

    type: ClassVar[str] = "status_code"
    name: str
    status_codes: frozenset[int]
    """OTLP's numbers: 0 UNSET, 1 OK, 2 ERROR."""


@dataclass(frozen=True, slots=True)
class LeastDuration:
    """Votes to sample a trace by its duration, to the nanosecond. Only in code: a file has `latency`."""

    type: ClassVar[str] = "least_duration"
    name: str
    threshold_ns: int
    """Inclusive: a trace of exactly this duration is sampled."""


@dataclass(frozen=True, slots=True)
class SloBreach:
    """Votes to sample a trace with an extraction that alone breaks an SLO (`slo.breached`). Only in code."""

    type: ClassVar[str] = "slo_breach"
    name: str


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
