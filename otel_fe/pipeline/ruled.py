"""Traces that come whole, decided in C where all policies go by rules. What is right, `Sampler` says."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, Protocol

from otel_fe import compiled
from otel_fe.model.probability import ALWAYS
from otel_fe.model.vote import SAMPLED
from otel_fe.pipeline.databases import databases

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from otel_fe.model.decision import Decision
    from otel_fe.model.vote import Vote
    from otel_fe.pipeline.policies.rule import Rule
    from otel_fe.pipeline.records import DecisionRecords, Entry
    from otel_fe.pipeline.remembered import Remembered
    from otel_fe.pipeline.sampler import Sampler

_MOST_RULES: Final = 32
"""As many as `compiled` has room for."""
_HEAD: Final = 8
"""Numbers of a packed record in front of what the policies saw."""


class Arrived(Protocol):
    """The spans of one trace in one request."""

    trace_id: int
    spans: list[Any]
    size_bytes: int


Taken = tuple["list[Arrived]", "list[tuple[Arrived, Decision, bytes]]", int, int]
"""Traces that are left; those that are sampled, with decision and record; how many traces and spans are neither."""


class RuledTraces:
    """Decides traces by the rules of a sampler's policies.

    Args:
        sampler: Decides all others.
        rules: Of its policies, in their order.
        records: Where decisions are recorded.
        trigger: Why they are decided when they come.
    """

    def __init__(self, sampler: Sampler, rules: Sequence[Rule], records: DecisionRecords, trigger: str) -> None:
        self._sampler = sampler
        self._rules = rules
        self._trigger = trigger
        self._unpack = struct.Struct(f"={_HEAD + len(rules)}Q").unpack
        self.record = records.packed(self._unpacked)
        """Records the decision on a trace that is sampled; to be called just before it is carried out."""
        bounded = [rule.bounded for rule in rules]
        self._decider: Any = compiled.spans.Decider(bounded, self._decided, self.record)  # type: ignore[union-attr]

    def take(
        self,
        traces: Iterable[Arrived],
        opened: Mapping[bytes, Any],
        remembered: Remembered,
        most_bytes: int,
        time_ns: int,
    ) -> Taken:
        """Decide those that are whole, and neither pending nor decided.

        Args:
            traces: Of a request, each once.
            opened: Those that are pending, by `trace_key`.
            remembered: Those that are decided.
            most_bytes: How large a trace may be; 0 for any size.
            time_ns: Unix time.
        """
        taken: Taken = self._decider.take(traces, opened, remembered, databases, most_bytes, time_ns)
        return taken

    def _decided(self, samples: int) -> Decision:
        return self._sampler.verdict(self._votes(samples, [0] * len(self._rules)))

    def _votes(self, samples: int, seen: Sequence[int]) -> list[Vote]:
        return [
            rule.vote(saw, sampled=bool(samples >> number & 1))
            for number, (rule, saw) in enumerate(zip(self._rules, seen, strict=True))
        ]

    def _unpacked(self, packed: bytes) -> Entry:
        high, low, duration_ns, _statuses, _flags, spans, time_ns, samples, *seen = self._unpack(packed)
        votes = self._votes(samples, seen)
        decision = self._sampler.verdict(votes)
        return high << 64 | low, time_ns, self._trigger, decision, spans, duration_ns, tuple(self._asked(votes))

    def _asked(self, votes: list[Vote]) -> list[Vote]:
        """Return the votes that `Sampler.decide` would have asked for."""
        first = next((number for number, vote in enumerate(votes) if vote[0] == SAMPLED), None)
        if first is None or not self._sampler.first_match or votes[first][1] != ALWAYS:
            return votes
        return votes[: first + 1]


def ruled(sampler: Sampler, records: DecisionRecords, trigger: str) -> RuledTraces | None:
    """Return what decides by rules; None where it takes more than those, or nothing is compiled."""
    rules = sampler.rules
    if compiled.spans is None or not 0 < len(rules) <= _MOST_RULES:
        return None
    return RuledTraces(sampler, rules, records, trigger)
