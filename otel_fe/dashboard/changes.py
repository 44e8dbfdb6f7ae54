"""Changes of a window, each with its effect on latency, and for a resized pool the prediction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from otel_fe.changes import TooLittleError, compare
from otel_fe.changes.mark import AUTOPILOT, POOL_SIZE
from otel_fe.changes.wording import said, verified
from otel_fe.dashboard.advice import lines_of_causes
from otel_fe.dashboard.comparison import NAMES
from otel_fe.dashboard.view_address import ViewAddress
from otel_fe.dashboard.what_if import what_if
from otel_fe.store import Selection
from otel_fe.units import MINUTE_NS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.changes import BeforeAndAfter, Mark
    from otel_fe.dashboard.page_context import PageContext

_REACH_NS: Final = 60 * MINUTE_NS
"""The time before and after a change in which extractions are compared, unless another change is nearer."""
_TOGETHER_NS: Final = 2 * MINUTE_NS
"""Changes of a service no further apart have one effect."""
_SPREAD_NS: Final = 10 * MINUTE_NS
"""The longest that a change is waited for to have spread before its effect counts."""
_SAMPLE: Final = 3_000
_REMEMBERED_NS: Final = 1_000 * MINUTE_NS
"""An effect is cached as the answer of a window of this length: for a minute."""
_MOST: Final = 10
"""Changes whose effect is worked out for a page, the newest: each takes about a tenth of a second."""


@dataclass(frozen=True, slots=True)
class ShownChange:
    """A change, and what it did."""

    mark: Mark
    title: str
    effect: str
    """The effect in a line; where there is none to report, the reason."""
    compared: BeforeAndAfter | None
    """None where there is too little to compare."""
    predicted_ns: float | None
    """Difference of p95 that the pool-size model predicts from the window before; None where it has no answer."""
    verified: str
    """The predicted and the measured effect; empty without a prediction."""
    before: tuple[int, int]
    """The windows that are compared, in Unix ns."""
    after: tuple[int, int]


def changes_of(
    stored: PageContext, window: tuple[int, int], service: str | None, feature_set: str | None, *, most: int = _MOST
) -> list[ShownChange]:
    """Return the changes of a window, the newest first, the first `most` with their effects.

    Args:
        stored: What there is.
        window: Unix time in ns, from and until.
        service: Only of this one; None for all.
        feature_set: Only its extractions are compared; None for all.
        most: Of the others only the mark is returned.

    Raises:
        StoreError: The store cannot be read.
    """
    marks = sorted(stored.reader.marks.find(*window, service), key=lambda mark: (-mark.time_ns, mark.kind))
    nearby = stored.reader.marks.find(window[0] - _REACH_NS, window[1] + _REACH_NS, service)
    return [
        stored.remembered.get(
            ("change", feature_set, mark.time_ns, mark.until_ns, mark.service, mark.kind, mark.subject),
            _REMEMBERED_NS,
            partial(_effect, stored, mark, nearby, feature_set),
        )
        if number < most
        else _without(mark, "")
        for number, mark in enumerate(marks)
    ]


def _effect(stored: PageContext, mark: Mark, nearby: Sequence[Mark], feature_set: str | None) -> ShownChange:
    if mark.kind == AUTOPILOT:
        return _of_the_autopilot(mark)
    before, after = windows_of(mark, nearby, stored.now_ns())
    found = replace(_without(mark, ""), before=before, after=after)
    try:
        sides = [
            stored.reader.spread(Selection(*window, mark.service, feature_set), limit=_SAMPLE)
            if window[0] < window[1]
            else []
            for window in (before, after)
        ]
        compared = compare(sides[0], sides[1])
    except TooLittleError as error:
        return replace(found, effect=f"too little to tell: {error}")
    lines = lines_of_causes(stored, after, mark.service, feature_set) if compared.p95.significant else {}
    predicted = _predicted(stored, mark, before)
    return replace(
        found,
        effect=said(compared, NAMES, lines),
        compared=compared,
        predicted_ns=predicted,
        verified="" if predicted is None else verified(predicted, compared.p95),
    )


def windows_of(mark: Mark, nearby: Sequence[Mark], now_ns: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return what is compared: an hour before a change and an hour after it, up to the next changes of its service.

    What happens while it spreads, as a rolling deployment does, is neither before nor after.
    """
    others = [one for one in nearby if one.service == mark.service and one.kind != AUTOPILOT]
    together = [one for one in others if abs(one.time_ns - mark.time_ns) <= _TOGETHER_NS] or [mark]
    begin = min(one.time_ns for one in together)
    end = min(max(max(one.time_ns, one.until_ns) for one in together), begin + _SPREAD_NS)
    earlier = [min(max(one.time_ns, one.until_ns), begin) for one in others if one.time_ns < begin]
    later = [one.time_ns for one in others if one.time_ns > max(one.time_ns for one in together)]
    since, until = max([begin - _REACH_NS, *earlier]), min([end + _REACH_NS, now_ns, *later])
    return (since, begin), (min(end, until), until)


def _of_the_autopilot(mark: Mark) -> ShownChange:
    detail = mark.detail
    effect = str(detail.get("reason", ""))
    predicted, measured = detail.get("predicted"), detail.get("measured")
    unit = str(detail.get("unit", "ms"))
    checked = ""
    if isinstance(predicted, (int, float)) and isinstance(measured, (int, float)):
        checked = f"predicted {predicted:+.3g} {unit}, measured {measured:+.3g} {unit}"
    return replace(_without(mark, effect), verified=checked)


def _without(mark: Mark, effect: str) -> ShownChange:
    return ShownChange(
        mark, mark.title, effect, None, None, "", (mark.time_ns, mark.time_ns), (mark.time_ns, mark.time_ns)
    )


def _predicted(stored: PageContext, mark: Mark, before: tuple[int, int]) -> float | None:
    """Return what the question "at another pool size" answers for the window before a pool was resized."""
    if mark.kind != POOL_SIZE or not mark.after.isdecimal():
        return None
    label = f"{mark.subject or '(no name)'} of {mark.service or '(no name)'}"
    address = ViewAddress(service=mark.service, pool=label, pool_size=mark.after)
    (answer,) = what_if(stored, address, before)["answers"]
    outcome = answer["outcome"]
    return None if outcome is None else float(outcome.then.quantile_ns - outcome.now.quantile_ns)
