"""Decision records: a bounded ring of decisions, each with every policy's vote and the value it saw."""

from __future__ import annotations

import json
import struct
from collections import OrderedDict, deque
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import islice
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING, Any, Final, Protocol

from otel_fe.model.id_keys import trace_key
from otel_fe.model.span import ERROR
from otel_fe.model.vote import KINDS, Vote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_fe.model.decision import Decision
    from otel_fe.model.span import SpanView
    from otel_fe.pipeline.buffered_trace import BufferedTrace
    from otel_fe.pipeline.policies.evaluator import Evaluator
    from otel_fe.pipeline.slow_causes import SlowCause

    Entry = tuple[int, int, str, Decision, int, int, tuple[Vote, ...]]
    """A trace's id, the time, the trigger, the decision, how many spans, their duration in ns, the votes."""


class StoredForm(Protocol):
    """The form in which a store keeps packed decisions."""

    @property
    def fingerprint(self) -> bytes:
        """Return the name of the policies that decide."""
        ...

    @property
    def description(self) -> bytes:
        """Return what a store needs of them to explain their decisions later."""
        ...

    def stored(self, packed: bytes, later_spans: int, later_errors: int) -> bytes | None:
        """Return a packed decision in this form; None where only this process can explain it."""
        ...


@dataclass(frozen=True, slots=True)
class PolicyVote:
    """The vote of one policy on a trace."""

    policy: str
    vote: str
    """`sampled`, `not sampled`, `dropped` or `failed`."""
    saw: str
    """The value that it voted by, in words, for example `92 ms < 100 ms`."""


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One decision, explained."""

    trace_id: int
    time_ns: int
    """Unix time of the decision."""
    trigger: str
    """The trigger of the decision: `final_vote`, `decision_wait`, `root_wait`, `num_traces`, `trace_size`, `shutdown`; `whole` in a
    process, which knows its open spans."""
    decision: Decision
    spans: int
    duration_ns: int
    votes: tuple[PolicyVote, ...]
    """Of the policies that voted, in their order."""
    later_spans: int = 0
    """Spans that came after the decision, as far as that is still known."""
    later_errors: int = 0
    """Those of them with the status ERROR."""
    slow: tuple[SlowCause, ...] = ()
    """In a process: its slow extractions with their cause and line, the slowest first."""

    @property
    def outcome(self) -> str:
        """The decision in words: `kept by slow, weight 1`."""
        return _outcome(self.decision)

    def as_dict(self) -> dict[str, Any]:
        """Return the record as JSON values; ids in hexadecimal."""
        return {
            "trace_id": f"{self.trace_id:032x}",
            "time_unix_nano": self.time_ns,
            "trigger": self.trigger,
            **_decision_values(self.decision),
            "spans": self.spans,
            "duration_ns": self.duration_ns,
            "later_spans": self.later_spans,
            "later_errors": self.later_errors,
            "votes": [{"policy": v.policy, "vote": v.vote, "saw": v.saw} for v in self.votes],
        } | ({"slow_extractions": [asdict(one) for one in self.slow]} if self.slow else {})


def _outcome(decision: Decision) -> str:
    if decision.sampled:
        weight = decision.weight
        known = "unknown" if weight is None else f"{weight:.4g}"
        return f"kept by {decision.reason}, weight {known}"
    return f"dropped by {decision.reason}" if decision.dropped else "not sampled"


def _decision_values(decision: Decision) -> dict[str, Any]:
    """Return the entries of a record that are its decision's."""
    return {
        "outcome": _outcome(decision),
        "sampled": decision.sampled,
        "dropped": decision.dropped,
        "policy": decision.reason,
        "weight": decision.weight,
    }


@lru_cache(1_024)
def _decided(decision: Decision) -> str:
    """Return the same entries as JSON, without the braces."""
    return json.dumps(_decision_values(decision), separators=(",", ":"))[1:-1]


_HALVES: Final = struct.Struct("=QQ")
_LOW: Final = (1 << 64) - 1
_KINDS: Final = tuple(map(quoted, KINDS))


class DecisionRecords:
    """The last decisions. Values are kept as seen, and formatted on reading.

    Args:
        policies: Those that vote, in their order.
        limit: How many decisions are kept.
    """

    def __init__(self, policies: Sequence[Evaluator], limit: int) -> None:
        self._policies = tuple(policies)
        self._ring: deque[Any] = deque(maxlen=limit)
        """Of each an `Entry`, or what `_unpack` makes one of."""
        self._unpack: Callable[[Any], Entry] = tuple
        self.stored_form: StoredForm | None = None
        """Of packed decisions; None where decisions are not packed."""
        self._limit = limit
        self._later: OrderedDict[bytes, tuple[int, int]] = OrderedDict()
        """Spans and errors that came after the decision, by `trace_key`."""

    def __len__(self) -> int:
        return len(self._ring)

    def add(
        self, trace: BufferedTrace, time_ns: int, trigger: str, decision: Decision, votes: tuple[Vote, ...]
    ) -> None:
        """Record a decision; the oldest makes room."""
        self._ring.append(
            (trace.trace_id, time_ns, trigger, decision, trace.count, trace.end_ns - trace.start_ns, votes)
        )

    def add_later(self, trace_id: int, spans: Sequence[SpanView], size_bytes: int) -> None:  # noqa: ARG002
        """Note spans that came after the decision on their trace."""
        self.note_later(trace_id, len(spans), sum([span.status == ERROR for span in spans]))

    def note_later(self, trace_id: int, spans: int, errors: int) -> None:
        """Note how many spans, and errors among them, came after the decision on their trace; the oldest note makes room."""
        key = trace_key(trace_id)
        before = self._later.pop(key, (0, 0))
        self._later[key] = before[0] + spans, before[1] + errors
        if len(self._later) > self._limit:
            self._later.popitem(last=False)

    def packed(
        self, unpack: Callable[[bytes], Entry], stored_form: StoredForm | None = None
    ) -> Callable[[bytes], None]:
        """Return a recorder of decisions packed into bytes, given their unpacker; the oldest makes room.

        The bytes begin with the trace's id, its upper and its lower half, each as this machine writes a number.
        """
        self._unpack = lambda entry: unpack(entry) if isinstance(entry, bytes) else entry
        self.stored_form = stored_form
        return self._ring.append

    def summarized(self, entry_of: Callable[[Any], Entry]) -> Callable[[tuple[Any, ...]], None]:
        """Return a recorder of decisions as tuples that begin with the trace's id, given their conversion to `Entry`.

        `add` must not be called after this.
        """
        self._unpack = entry_of
        return self._ring.append

    def of(self, trace_id: int) -> DecisionRecord | None:
        """Return the last decision on a trace; None where it is not, or no longer, known."""
        for entry in reversed(list(self._ring)):  # a copy: another thread may record meanwhile
            if _is_of(entry, trace_id):
                return self.explain(entry)
        return None

    def last(self, count: int) -> list[DecisionRecord]:
        """Return the last decisions, the newest first."""
        return [self.explain(entry) for entry in self.entries(count)]

    def entries(self, count: int) -> list[Entry | bytes]:
        """Return the last decisions unformatted, the newest first: cheap under a lock, to be explained without it."""
        return list(islice(reversed(self._ring), count))

    def explain(self, entry: Entry | bytes) -> DecisionRecord:
        """Return a decision in words."""
        record = explained(self._policies, *self._unpacked(entry))
        later = self._later.get(trace_key(record.trace_id))
        return record if later is None else replace(record, later_spans=later[0], later_errors=later[1])

    def explain_json(self, entry: Entry | bytes) -> bytes:
        """Return what `explain(entry).as_dict()` is, encoded as JSON, in half the time."""
        trace_id, time_ns, trigger, decision, spans, duration_ns, votes = self._unpacked(entry)
        later = self._later.get(trace_key(trace_id), (0, 0)) if self._later else (0, 0)
        said = ",".join(
            [
                f'{{"policy":{quoted(policy.name)},"vote":{_KINDS[kind]},"saw":{quoted(policy.describe(seen))}}}'
                for policy, (kind, _, seen) in zip(self._policies, votes, strict=False)
            ]
        )
        return (
            f'{{"trace_id":"{trace_id:032x}","time_unix_nano":{time_ns},"trigger":"{trigger}",{_decided(decision)},"spans":{spans},'
            f'"duration_ns":{duration_ns},"later_spans":{later[0]},"later_errors":{later[1]},"votes":[{said}]}}'
        ).encode()

    def stored(self, entry: Entry | bytes) -> bytes:
        """Return a decision as a store keeps it: in `stored_form`, to be explained when it is read, or else as JSON."""
        if self.stored_form is not None and isinstance(entry, bytes):
            later = self._later.get(trace_key(trace_id_of(entry)), (0, 0)) if self._later else (0, 0)
            found = self.stored_form.stored(entry, *later)
            if found is not None:
                return found
        return self.explain_json(entry)

    def newest_of(self, trace_id: int) -> Entry | bytes | None:
        """Return the newest decision, unformatted, if it is on this trace."""
        newest = self._ring[-1] if self._ring else None
        return newest if newest is not None and _is_of(newest, trace_id) else None

    def _unpacked(self, entry: Entry | bytes) -> Entry:
        return self._unpack(entry)


def trace_id_of(entry: Entry | bytes) -> int:
    """Return the id of the trace that a decision is on."""
    if isinstance(entry, bytes):
        high, low = _HALVES.unpack_from(entry)
        return int(high << 64 | low)
    return entry[0]


def _is_of(entry: Entry | bytes, trace_id: int) -> bool:
    if isinstance(entry, bytes):
        return entry.startswith(_HALVES.pack(trace_id >> 64, trace_id & _LOW))
    return entry[0] == trace_id


def explained(
    policies: Sequence[Evaluator],
    trace_id: int,
    time_ns: int,
    trigger: str,
    decision: Decision,
    spans: int,
    duration_ns: int,
    votes: Sequence[Vote],
) -> DecisionRecord:
    """Return a decision in words, given the policies that voted, in their order."""
    said = tuple(
        PolicyVote(policy.name, KINDS[kind], policy.describe(seen))
        for policy, (kind, _, seen) in zip(policies, votes, strict=False)
    )
    return DecisionRecord(trace_id, time_ns, trigger, decision, spans, duration_ns, said)
