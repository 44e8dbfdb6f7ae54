"""The sentences at the top of the first page: why each slow feature set is slow, and the trace to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_fe.dashboard.reasons import FeatureSetReason, reason_of
from otel_fe.requirements import LATENCY_LIMIT_NS
from otel_fe.store import Selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from otel_fe.dashboard.page_context import PageContext

MOST: Final = 5
"""Feature sets that are explained, those with most slow extractions; further ones are in the table."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """The reason for which a feature set is slow, in the parts that the page shows."""

    service: str
    feature_set: str
    figures: str
    """`p95 56 ms`; empty where it is not known."""
    words: str
    """The reason, without the line."""
    line: str
    """`file:line function`; empty where unknown."""
    cause: str
    """The cause that most of the time was."""
    action: str
    """The first action; empty if unknown."""
    slowest: str
    """Trace id of the slowest kept extraction; empty where none is kept."""
    text: str
    """All of it, in the words of `otel-fe explain`."""


@dataclass(frozen=True, slots=True)
class WhySlow:
    """The sentences at the top of the first page."""

    sentences: tuple[Sentence, ...]
    """Sentences on the slow groups, the one with most slow extractions first."""
    more: int
    """Slow ones without a sentence."""
    quiet: tuple[str, ...]
    """Feature sets of which nothing took 100 ms or more."""


def why_slow(
    stored: PageContext, window: tuple[int, int], groups: Sequence[Mapping[str, Any]], *, relative: bool
) -> tuple[WhySlow, dict[tuple[str, str], FeatureSetReason]]:
    """Return the sentences of a window's groups, and the reasons that they are made of.

    Args:
        stored: Where kept traces are.
        window: Unix time in ns.
        groups: As `overview.groups_of` has them, the one with most slow extractions first.
        relative: Whether the window moves with the time: then a long one's answers serve for a while.

    Raises:
        StoreError: The store cannot be read.
    """
    window = stored.remembered.window(window, relative=relative)
    slow = [one for one in groups if one["figures"].slow]
    reasons = reasons_of(stored, window, slow[:MOST])
    sentences = tuple(_sentence(stored, window, one) for one in reasons.values())
    quiet = tuple(one["feature_set"] or one["service"] for one in groups if not one["figures"].slow)
    return WhySlow(sentences, max(0, len(slow) - MOST), quiet), reasons


def reasons_of(
    stored: PageContext, window: tuple[int, int], groups: Iterable[Mapping[str, Any]]
) -> dict[tuple[str, str], FeatureSetReason]:
    """Return why some groups are slow, by service and feature set."""
    found = {}
    for one in groups:
        group, figures = (one["service"], one["feature_set"]), one["figures"]
        p95_ns, slow = figures.p95_ns, figures.slow
        found[group] = stored.remembered.get(
            ("reason", group, window),
            window[1] - window[0],
            lambda group=group, p95_ns=p95_ns, slow=slow: reason_of(stored, window, group, p95_ns, slow),  # type: ignore[misc]
        )
    return found


def _sentence(stored: PageContext, window: tuple[int, int], reason: FeatureSetReason) -> Sentence:
    told = reason.explanation
    selection = Selection(*window, reason.service, reason.feature_set, min_duration_ns=LATENCY_LIMIT_NS)
    slowest = stored.remembered.get(
        ("slowest", selection),
        window[1] - window[0],
        lambda: stored.reader.traces.find(selection, order="slowest", limit=1),
    )
    return Sentence(
        reason.service,
        reason.feature_set,
        told.sentence().removeprefix(f"{told.subject or '(none)'}: ").removesuffix(told.reason()).rstrip(", "),
        told.reason().removesuffix(f" ({told.line})"),
        told.line,
        told.spent_in or told.cause,
        reason.advice[0]["action"] if reason.advice else "",
        f"{slowest[0].trace_id:032x}" if slowest else "",
        told.sentence(),
    )
