"""Settings with other decisions or weights on a fleet of real Collectors (v0.160) than here; each is refused by its key.

What the two do differently on one machine is listed, with the cases that show it, in `tests/corpus/differences.py`; a fleet adds
what each sampler counts by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.config.document import Scalar
from otel_fe.config.policies import Probabilistic
from otel_fe.config.span_metrics import Exponential

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_fe.config.policies import TailSampling
    from otel_fe.config.reading import Place
    from otel_fe.config.span_metrics import SpanMetrics

_LIMITS: Final = ("rate_limiting", "bytes_limiting", "composite")
_SUB_POLICIES: Final = ("and_sub_policy", "drop_sub_policy", "composite_sub_policy")
_SHARE: Final = Probabilistic.type
_EACH_SAMPLER: Final = (
    "every sampler of a fleet would have a limit of its own, so that what is kept depends on their number; "
    "use a probabilistic policy"
)


@dataclass(frozen=True, slots=True)
class _Policy:
    """A policy as written in the file."""

    place: Place
    type: str
    block: Place | None
    """The place of its settings; None for a type without."""
    holders: tuple[str, ...]
    """Types of the policies that enclose it, outermost first."""


def refuse(sampling_at: Place, sampling: TailSampling, counting_at: Place, counting: SpanMetrics) -> None:
    """Record a problem for everything that a fleet would do differently."""
    policies = list(_policies(sampling_at.entries()["policies"], ()))
    for policy in policies:
        _refuse_policy(policy)
    _refuse_salts(policies)
    _refuse_processor(sampling_at, sampling, shares=any(policy.type == _SHARE for policy in policies))
    if isinstance(counting.histogram, Exponential):
        counting_at.entries()["histogram"].entries()["exponential"].problem(
            "Prometheus would have to enable native histograms, which the dashboards do not query; use explicit",
            value=False,
        )
    if counting.delta:
        counting_at.entries()["aggregation_temporality"].problem(
            "Prometheus takes cumulative metrics only; use AGGREGATION_TEMPORALITY_CUMULATIVE"
        )


def _policies(place: Place, holders: tuple[str, ...]) -> Iterator[_Policy]:
    """Yield the policies of a list, and those nested in them."""
    for item in place.items():
        yield from _policy(item, holders)


def _policy(item: Place, holders: tuple[str, ...]) -> Iterator[_Policy]:
    entries = item.entries()
    kind = str(_value(entries["type"]))
    block = entries.get(kind)
    yield _Policy(item, kind, block, holders)
    inner = block.entries() if block is not None else {}
    for key in _SUB_POLICIES:
        if key in inner:
            yield from _policies(inner[key], (*holders, kind))
    if "not_sub_policy" in inner:
        yield from _policy(inner["not_sub_policy"], (*holders, kind))


def _refuse_policy(policy: _Policy) -> None:
    settings = policy.block.entries() if policy.block is not None else {}
    if policy.type in _LIMITS:
        policy.place.entries()["type"].problem(_EACH_SAMPLER)
    upper = settings.get("upper_threshold_ms")
    if policy.type == "latency" and upper is not None and _value(upper):
        upper.problem(
            "the Collector compares the bounds after each span, so that the order in which spans arrive decides; "
            "leave it out, and drop what is longer by another policy"
        )
    if policy.type == _SHARE and "not" in policy.holders:
        policy.place.problem(
            "the Collector weighs the complement of a share as if it were the share; sample the share that you want",
            value=False,
        )


def _refuse_salts(policies: list[_Policy]) -> None:
    """Refuse shares that are drawn independently: the Collector weighs what both keep as if one had."""
    shares = [policy for policy in policies if policy.type == _SHARE and policy.block is not None]
    found: dict[str, _Policy] = {}
    for policy in shares:
        settings = policy.block.entries() if policy.block is not None else {}
        salt = str(_value(settings["hash_salt"])) if "hash_salt" in settings else ""
        if found and salt not in found:
            (settings.get("hash_salt") or policy.place).problem(
                "shares of different salts are drawn independently, and the Collector does not weigh their union so; "
                "use one salt",
                value="hash_salt" in settings,
            )
        found.setdefault(salt, policy)


def _refuse_processor(place: Place, sampling: TailSampling, *, shares: bool) -> None:
    entries = place.entries()
    if sampling.sample_on_first_match and shares:
        entries["sample_on_first_match"].problem(
            "the Collector then weighs a trace by its first policy, though a later one would have kept it too; use false"
        )
    if not sampling.block_on_overflow:
        wanted = (
            "past num_traces the Collector forgets its oldest traces undecided; use true, so that senders wait instead"
        )
        _at(place, "block_on_overflow", wanted)
    caches = {
        "sampled_cache_size": sampling.sampled_cache_size,
        "non_sampled_cache_size": sampling.non_sampled_cache_size,
    }
    cache = entries.get("decision_cache")
    for key, size in caches.items():
        if size < sampling.num_traces:
            wanted = f"the Collector decides late spans anew unless it remembers; use at least num_traces, {sampling.num_traces}"
            _at(cache if cache is not None else place, key, wanted)


def _at(section: Place, key: str, wanted: str) -> None:
    """Record a problem at a key, or at its section where it is missing."""
    place = section.entries().get(key)
    if place is None:
        section.problem(f"{key}: {wanted}", value=False)
    else:
        place.problem(wanted)


def _value(place: Place) -> object:
    return place.node.value if isinstance(place.node, Scalar) else None
