"""Reads `tail_sampling` of the Collector v0.160 into `policies.TailSampling`.

What a policy is named and its type, which policies may hold which, and how a composite shares its rate; the keys of each
type are in `policy_keys.py`. Unlike the Collector, which finds such mistakes when it starts or never, this refuses blocks
that belong to another type, sub-policies that are not there and shares of more than everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.config import kinds, policies
from otel_fe.config.document import Mapping, Scalar
from otel_fe.config.policy_keys import BLOCKS
from otel_fe.config.reading import Fields, Key, Place, Refused, Section, Unsupported, attempt, read_quietly, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_fe.config.reading import Kind

LEAVES: Final = frozenset(BLOCKS)
"""Types of policies that hold no others."""
HOLDERS: Final = ("not", "and", "drop", "composite")
"""Types of policies that do."""
NESTED: Final = {
    "not": LEAVES,
    "and": LEAVES | {"not"},
    "drop": LEAVES | {"not"},
    "composite": LEAVES | {"and"},
    "": LEAVES | {*HOLDERS},
}
"""The policy types that may be nested in each type, as in the Collector; "" is the top level."""
_SUB_POLICIES: Final = "give at least one sub-policy"


def _policy(holder: str) -> Kind[policies.Policy]:
    """Return the kind of policies that may be nested in a holder."""

    def read(place: Place) -> policies.Policy:
        entries = place.entries()
        before = len(place.report.problems)
        name = _required(place, entries, "name", kinds.text)
        kind = _required(place, entries, "type", kinds.text)
        if kind is not None:
            _check_type(entries["type"], kind, holder)
        for key, inner in entries.items():
            if key not in ("name", "type"):
                _check_block(inner, key, kind)
        block = _block(place, entries, kind) if kind in NESTED[holder] else None
        if len(place.report.problems) > before or block is None:
            raise Refused
        section, fields = block
        policy: policies.Policy = section.make(name=name, **fields)
        return policy

    return read


def _required(place: Place, entries: dict[str, Place], key: str, kind: Kind[str]) -> str | None:
    if key in entries:
        value: str | None = attempt(kind, entries[key], None)
        return value
    place.problem(f"give the policy a {key}", value=False)
    return None


def _check_type(place: Place, kind: str, holder: str) -> None:
    if kind in NESTED[holder]:
        return
    if kind in NESTED[""]:
        place.problem(f"a policy of this type cannot be nested in one of type {holder}")
    else:
        place.problem(f"there is no such type of policy{suggest(kind, NESTED[holder])}")


def _check_block(place: Place, key: str, kind: str | None) -> None:
    """Refuse a key that is neither of every policy nor the block of this one's type."""
    if key not in NESTED[""]:
        place.problem(f"there is no such key{suggest(key, {'name', 'type'} | NESTED[''])}", value=False)
    elif kind is not None and key != kind:
        place.problem(
            f"only a policy of type {key} has this key, and the type is {kind}; remove one of them", value=False
        )


def _block(place: Place, entries: dict[str, Place], kind: str | None) -> tuple[Section[Any], dict[str, Any]] | None:
    """Return the table of the policy's type, and the node of its block; None where it is refused."""
    assert kind is not None  # noqa: S101 for the type checkers: it is one of the types
    section = SECTIONS[kind]
    if kind not in entries and section.keys:
        place.problem(f"give the policy its settings, under {kind}", value=False)
        return None
    fields = attempt(section.fields, entries[kind], None) if kind in entries else {}
    return None if fields is None else (section, fields)


def _names(policies_at: Place) -> list[tuple[Place, str]]:
    """Return the names in a list of policies, also of otherwise invalid ones, with their places."""
    places = [item.entries().get("name") for item in policies_at.items() if isinstance(item.node, Mapping)]
    return [
        (place, place.node.value)
        for place in places
        if place is not None and isinstance(place.node, Scalar) and isinstance(place.node.value, str)
    ]


def _named_once(names: Iterable[tuple[Place, str]]) -> None:
    """Refuse a name that a sibling already has."""
    lines: dict[str, int] = {}
    for place, name in names:
        if name in lines:
            place.problem(f"the policy on line {lines[name]} already has this name; each needs its own")
        lines.setdefault(name, place.position.line)


def _policies(holder: str, wanted: str = _SUB_POLICIES) -> Kind[tuple[policies.Policy, ...]]:
    """Return the kind of lists of policies."""
    read_list = kinds.list_of(_policy(holder), least=1, wanted=wanted)

    def read(place: Place) -> tuple[policies.Policy, ...]:
        before = len(place.report.problems)
        found = attempt(read_list, place, None)
        _named_once(_names(place))
        if len(place.report.problems) > before:
            raise Refused
        return found or ()

    return read


def _check_composite(fields: Fields) -> None:
    """Refuse an order and shares that name no sub-policy, and shares of more than everything; then share out."""
    places = fields.places
    names = [name for _, name in _names(places["composite_sub_policy"])] if "composite_sub_policy" in places else []
    order = fields.values.pop("policy_order", ())
    if "policy_order" in places:
        _known(read_quietly(places["policy_order"], kinds.text), names)
        if set(order) <= set(names) and list(order) != names[: len(order)]:
            places["policy_order"].warn(
                "sub-policies are evaluated in the order in which they are written, as in the Collector; this changes nothing"
            )
    shares = read_quietly(places["rate_allocation"], _SHARE) if "rate_allocation" in places else []
    _known([(item.entries()["policy"], share["policy"]) for item, share in shares], names)
    percents = {share["policy"]: share["percent"] for _, share in shares}
    if sum(share["percent"] for _, share in shares) > 100:  # noqa: PLR2004
        fields.problem("rate_allocation", "use percentages that add up to at most 100")
    fields.values.pop("rate_allocation", None)
    total = fields.get("max_total_spans_per_second", 0)
    fields.values["allocations"] = tuple(
        policies.Allocation(policy, _share(total, percents.get(policy.name, 0), len(names)))
        for policy in fields.values.pop("policies", ())
    )


def _share(total: int, percent: int, among: int) -> int:
    """Return a sub-policy's spans a second, by the Collector's own floating-point steps."""
    return int(percent / 100 * total if percent > 0 else total / among)


def _known(used: Iterable[tuple[Place, str]], names: list[str]) -> None:
    """Refuse what names no sub-policy, or one that has been named."""
    seen: set[str] = set()
    for place, name in used:
        if name not in names:
            place.problem(f"no sub-policy has this name{suggest(name, names)}")
        elif name in seen:
            place.problem("name each sub-policy once")
        seen.add(name)


def _tail_sampling(decision_cache: dict[str, Any] | None = None, **fields: Any) -> policies.TailSampling:
    return policies.TailSampling(**(decision_cache or {}), **fields)


_SHARE: Final = Section(
    dict[str, Any],
    {
        "policy": Key(kinds.text, required="give the name of a sub-policy"),
        "percent": Key(kinds.integer(0, 100), required="give a percentage from 0 to 100"),
    },
)
SECTIONS: Final[dict[str, Section[Any]]] = {
    **BLOCKS,
    "not": Section(policies.Not, {"not_sub_policy": Key(_policy("not"), "policy", required="give the sub-policy")}),
    "and": Section(policies.And, {"and_sub_policy": Key(_policies("and"), "policies", required=_SUB_POLICIES)}),
    "drop": Section(policies.Drop, {"drop_sub_policy": Key(_policies("drop"), "policies", required=_SUB_POLICIES)}),
    "composite": Section(
        policies.Composite,
        {
            "max_total_spans_per_second": Key(kinds.integer(1), required="give max_total_spans_per_second"),
            "policy_order": Key(kinds.strings()),
            "composite_sub_policy": Key(_policies("composite"), "policies", required=_SUB_POLICIES),
            "rate_allocation": Key(kinds.list_of(_SHARE)),
        },
        _check_composite,
    ),
}
"""Every type's block."""

TAIL_SAMPLING: Final[Section[policies.TailSampling]] = Section(
    _tail_sampling,
    {
        "decision_wait": Key(kinds.duration(), "decision_wait_ns"),
        "decision_wait_after_root_received": Key(kinds.duration(), "decision_wait_after_root_received_ns"),
        "num_traces": Key(kinds.integer(1)),
        "block_on_overflow": Key(kinds.boolean),
        "expected_new_traces_per_sec": Key(kinds.integer()),
        "policies": Key(_policies("", "give at least one policy"), required="give at least one policy"),
        "decision_cache": Key(
            Section(
                dict[str, Any],
                {"sampled_cache_size": Key(kinds.integer()), "non_sampled_cache_size": Key(kinds.integer())},
            )
        ),
        "tail_storage": Unsupported("traces wait in memory"),
        "sample_on_first_match": Key(kinds.boolean),
        "sampling_strategy": Key(kinds.choice("trace-complete", unsupported=("span-ingest",)), field=None),
        "drop_pending_traces_on_shutdown": Key(kinds.boolean),
        "maximum_trace_size_bytes": Key(kinds.integer()),
        # How a Collector spreads its work over cores; its decisions are the same for any number.
        "num_shards": Key(kinds.integer(1, 256), field=None),
    },
)
"""The keys of the processor."""
