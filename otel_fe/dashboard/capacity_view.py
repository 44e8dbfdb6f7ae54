"""Capacity: how much more traffic each service carries, what gives out first, and what lies ahead."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from otel_fe.capacity.services import capacity_of
from otel_fe.capacity.stored_measurements import services_of
from otel_fe.capacity.text import effect_line, needed, outlook_lines, sentence
from otel_fe.errors import ConfigurationError
from otel_fe.units import DAY_NS

if TYPE_CHECKING:
    from otel_fe.capacity.services import ServiceCapacity
    from otel_fe.dashboard.page_context import PageContext
    from otel_fe.dashboard.view_address import ViewAddress

_FACTOR: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)x?")
_USUAL: Final = 2.0
_MOST: Final = 3
"""Services at once: each takes some seconds."""


def capacity_view(stored: PageContext, address: ViewAddress) -> dict[str, Any]:
    """Return what the page shows: by the window that the URL names, or else the last day.

    Raises:
        ConfigurationError: The requested traffic is not a factor.
        StoreError: The store cannot be read.
    """
    factor = _factor(address.traffic)
    now = stored.now_ns()
    named = address.range or not address.relative
    window = stored.remembered.window(address.window(now) if named else (now - DAY_NS, now), relative=address.relative)
    known = services_of(stored.reader)
    asked = [one for one in known if address.service in ("", one)][:_MOST]
    found = [_one(stored, window, factor, name) for name in asked]
    return {
        "window": window,
        "factor": factor,
        "services": [_shown(one) for one in found],
        "others": [one for one in known if address.service == "" and one not in asked],
    }


def _factor(text: str) -> float:
    told = _FACTOR.fullmatch(text.strip().lower()) if text.strip() else None
    value = float(told.group(1)) if told else _USUAL
    if (text.strip() and told is None) or not 0 < value <= 100:  # noqa: PLR2004 as the command has it
        raise ConfigurationError("?traffic", text, "use a factor above 0 and at most 100, for example 2x")
    return value


def _one(stored: PageContext, window: tuple[int, int], factor: float, service: str) -> ServiceCapacity:
    def ask() -> ServiceCapacity:
        return capacity_of(stored.reader, stored.slos, window, factor, service, ahead=True)[0]

    # Seconds of work, also where the window is short: for a minute the answer stays.
    return stored.remembered.get(("capacity", service, factor, window), max(window[1] - window[0], DAY_NS), ask)


def _shown(one: ServiceCapacity) -> dict[str, Any]:
    return {
        "service": one.service,
        "refused": one.refused,
        "missing": list(one.missing),
        "silent": list(one.silent),
        "answers": [
            {"answer": found, "sentence": sentence(found), "needed": [needed(r, one.factor) for r in found.resources]}
            for found in one.answers
        ],
        "effects": [effect_line(effect, one.factor) for effect in one.effects],
        "ahead": [] if one.outlook is None else outlook_lines(one.outlook),
    }
