"""Decisions packed into bytes, which are explained on request: after a reload, in another process, in a later version.

A trace's sums, and what its policies saw of its spans, are all that a vote depends on. `compiled` packs them when it decides.

    stored decision: 1, the fingerprint of the policies (8 bytes), spans and errors that came after the decision (32 bits each),
                     the packed decision, samplers before (JSON; mostly absent)
    packed decision: 16 numbers of the trace, a number for each leaf that looks at spans, further words of bits (mostly none), the
                     threshold of each pool (64 bits each)

The policies are described once, as JSON, and named by a fingerprint of their description.
"""

from __future__ import annotations

import json
import struct
import sys
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_fe.config.policy_values import policy_of, values_of
from otel_fe.errors import OtelFeError
from otel_fe.pipeline.buffered_trace import BufferedTrace
from otel_fe.pipeline.policies.leaves import Leaves
from otel_fe.pipeline.records import explained
from otel_fe.pipeline.sampler import Sampler
from otel_fe.pipeline.tail_sampler import DECISION_WAIT, FINAL_VOTE, NUM_TRACES, ROOT_WAIT, SHUTDOWN
from otel_fe.pipeline.upstream import Upstream, with_upstream

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_fe.config.process_policies import Policy
    from otel_fe.pipeline.policies.evaluator import Evaluator, Pool
    from otel_fe.pipeline.records import Entry

    Row = tuple[Any, ...]
    """The row of a trace in `compiled.backend.Waiting`."""

MARK: Final = b"\x01"
"""The first byte of a stored decision; one that is JSON begins with a brace."""
FINGERPRINT_BYTES: Final = 8
POLICIES_UNKNOWN: Final = "decided by policies that are no longer known"
"""The outcome in a record whose policies are not stored, or of a type that this version does not have."""
TRIGGERS: Final = (FINAL_VOTE, DECISION_WAIT, ROOT_WAIT, NUM_TRACES, SHUTDOWN)
"""By their number in a packed decision."""
_FORMAT: Final = 1
_NUMBERS: Final = 16
"""In a packed decision, in front of what leaves saw."""
_HEAD: Final = struct.Struct(f"<c{FINGERPRINT_BYTES}sII")
_MOST_LATER: Final = (1 << 32) - 1
_ORDERS: Final = {"little": "<", "big": ">"}
_BITS: Final = 15
"""The place of what leaves say, a bit each."""


class DecisionUnpacker:
    """Makes packed decisions once more, for their votes.

    Args:
        sampler: Of the policies.
        leaves: Of the same.
        pools: The budgets whose thresholds are packed.
        order: Of the bytes of a number, as `struct` has it.
    """

    def __init__(self, sampler: Sampler, leaves: Leaves, pools: Sequence[Pool], order: str = "=") -> None:
        self._sampler = sampler
        self._leaves = leaves
        self._pools = pools
        self._numbers = struct.Struct(f"{order}{_NUMBERS}Q{leaves.numbers}q{len(pools)}Q")

    @property
    def size_bytes(self) -> int:
        """The size of a packed decision."""
        return self._numbers.size

    def trace_of(self, row: Row) -> BufferedTrace:
        """Return the sums that policies read of a trace, without its spans."""
        high, low, start, end, statuses, flags, number, size, wrapped, arrived, rooted, *seen_before = row
        has_trace_state, tells, own, bits, seen = seen_before
        trace = BufferedTrace(high << 64 | low, arrived)
        trace.start_ns, trace.end_ns, trace.statuses, trace.flags = start, end, statuses, flags
        trace.count, trace.size_bytes, trace.wrapped_bytes, trace.root_received_ns = number, size, wrapped, rooted
        trace.sampled_before(has_trace_state=bool(has_trace_state), tells=bool(tells), randomness=own)
        trace.looked = self._leaves.looked(bits, seen)
        return trace

    def entry_of(self, packed: bytes) -> Entry:
        """Return a packed decision with its votes."""
        values = self._numbers.unpack(packed)
        time_ns, trigger, has_trace_state, tells, explicit, own, bits = values[9:_NUMBERS]
        looked_at = _NUMBERS + self._leaves.numbers
        seen, randomness = values[_NUMBERS:looked_at], own if explicit else None
        trace = self.trace_of((*values[:9], 0, 0, has_trace_state, tells, randomness, bits, seen))
        trace.thresholds = dict(zip(self._pools, values[looked_at:], strict=True))
        decision, votes = self._sampler.decide(trace)
        duration_ns = trace.end_ns - trace.start_ns
        return trace.trace_id, time_ns, TRIGGERS[trigger], decision, trace.count, duration_ns, votes


class DecisionPolicies:
    """The policies of a sampler, as a store keeps them beside their decisions.

    Args:
        policies: In the order of the file.
        first_match: No policy votes after one that samples.
        leaves: Theirs.
        pools: How many budgets' thresholds are packed.
    """

    def __init__(self, policies: Sequence[Policy], leaves: Leaves, pools: int, *, first_match: bool) -> None:
        self.description = json.dumps(
            {
                "format": _FORMAT,
                "order": sys.byteorder,
                "pools": pools,
                "first_match": first_match,
                "policies": [values_of(policy) for policy in policies],
            },
            separators=(",", ":"),
        ).encode()
        self.fingerprint = blake2b(self.description, digest_size=FINGERPRINT_BYTES).digest()
        self._leaves = leaves
        self._bits = struct.Struct(f"={_BITS * 8}xQ{leaves.numbers}q")

    def stored(self, packed: bytes, later_spans: int, later_errors: int) -> bytes | None:
        """Return a packed decision as the store keeps it; None where a policy failed: why, only this process knows."""
        bits, *numbers = self._bits.unpack_from(packed)
        if self._leaves.has_failed(bits, numbers):
            return None
        head = _HEAD.pack(MARK, self.fingerprint, min(later_spans, _MOST_LATER), min(later_errors, _MOST_LATER))
        return head + packed


def with_samplers_before(stored: bytes, upstream: Upstream) -> bytes:
    """Return a stored decision, or one that is JSON, with what the samplers before have decided."""
    if stored.startswith(MARK):
        return stored + json.dumps([upstream.threshold, upstream.policy]).encode()
    return json.dumps(with_upstream(json.loads(stored), upstream), separators=(",", ":")).encode()


def is_stored(decision: object) -> bool:
    """Return whether a value is a stored decision."""
    return isinstance(decision, bytes) and decision.startswith(MARK) and len(decision) >= _HEAD.size + 8 * _NUMBERS


def fingerprint_of(stored: bytes) -> bytes:
    """Return the fingerprint of the policies that decided."""
    return stored[1 : 1 + FINGERPRINT_BYTES]


def id_of(stored: bytes) -> bytes:
    """Return the 16 bytes of the id of the trace that was decided."""
    high, low = struct.unpack_from("=QQ", stored, _HEAD.size)
    return b"".join(half.to_bytes(8, "big") for half in (high, low))


class _Explainer(NamedTuple):
    policies: tuple[Evaluator, ...]
    unpacker: DecisionUnpacker


_lock: Final = RLock()
"""Held while a decision is explained: evaluators are not thread-safe."""


def explained_record(stored: bytes, description: bytes | None) -> dict[str, Any]:
    """Return a stored decision as `DecisionRecord.as_dict` has it.

    Args:
        stored: As `DecisionPolicies.stored` and `with_samplers_before` made it.
        description: Of the policies that decided; None if unknown.
    """
    _, _, later_spans, later_errors = _HEAD.unpack_from(stored)
    with _lock:
        explainer = None if description is None else _explainer(description)
        end = _HEAD.size + (explainer.unpacker.size_bytes if explainer is not None else 0)
        if explainer is None or len(stored) < end:
            return _unexplained(stored) | {"later_spans": later_spans, "later_errors": later_errors}
        entry = explainer.unpacker.entry_of(stored[_HEAD.size : end])
        record = replace(explained(explainer.policies, *entry), later_spans=later_spans, later_errors=later_errors)
    before = stored[end:]
    found = record.as_dict()
    return with_upstream(found, Upstream(*json.loads(before))) if before else found


@lru_cache(16)
def _explainer(description: bytes) -> _Explainer | None:
    """Return what explains the decisions of policies; None where this version cannot."""
    try:
        described: Mapping[str, Any] = json.loads(description)
        if described["format"] != _FORMAT:
            return None
        sampler = Sampler(tuple(map(policy_of, described["policies"])), first_match=described["first_match"])
        pools = [pool for pool, _ in sampler.pools][: described["pools"]]
        order = _ORDERS[described["order"]]
    except (KeyError, TypeError, ValueError, OtelFeError):
        return None
    return _Explainer(sampler.policies, DecisionUnpacker(sampler, Leaves(sampler.policies), pools, order))


def _unexplained(stored: bytes) -> dict[str, Any]:
    numbers = struct.unpack_from(f"={_NUMBERS}Q", stored, _HEAD.size)
    return {
        "trace_id": id_of(stored).hex(),
        "time_unix_nano": numbers[9],
        "trigger": dict(enumerate(TRIGGERS)).get(numbers[10], ""),
        "outcome": POLICIES_UNKNOWN,
        "sampled": False,
        "dropped": False,
        "policy": "",
        "weight": None,
        "spans": numbers[6],
        "duration_ns": numbers[3] - numbers[2],
        "votes": [],
    }
